//! Key stores in PKCS#12. They are encoded elsewhere, since that takes salts.

use std::collections::BTreeMap;

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

impl Pkcs12<'_> {
    /// The keys of the Secret.
    pub(super) fn add(&self, data: &mut BTreeMap<String, Vec<u8>>) {
        if let Some(user) = self.user {
            data.insert("user.p12".to_owned(), user.to_vec());
        }
        data.insert("ca.p12".to_owned(), self.ca.to_vec());
        data.insert("p12.password".to_owned(), self.password.as_bytes().to_vec());
    }
}
