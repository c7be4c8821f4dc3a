//! The objects through which API servers learn whom to trust, as far as certificates are concerned.

/// Registration objects that carry a `caBundle`.
pub trait Registration: Send + Sync {
    /// The bundle (PEM, maybe empty) of each registered endpoint; `None` when there is nothing registered.
    fn observed(&self) -> impl Future<Output = Result<Option<Vec<String>>, kube::Error>> + Send;

    /// Writes `bundle` into every object, creating what is missing. Doing nothing is right when others manage them.
    fn publish(&self, bundle: &str) -> impl Future<Output = Result<(), kube::Error>> + Send;

    /// Resolves when the objects are to say something else than before, certificates aside; never by default.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}
