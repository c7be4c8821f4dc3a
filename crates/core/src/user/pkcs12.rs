//! Key stores in PKCS#12. They are encoded elsewhere, since that takes salts.

/// Key stores, encoded.
#[derive(Clone, Copy)]
pub struct Pkcs12<'a> {
    /// The user's key and certificate, with the authorities; none for users with a password.
    pub user: Option<&'a [u8]>,
    /// The authorities to trust.
    pub ca: &'a [u8],
    /// The password of both.
    pub password: &'a str,
}
