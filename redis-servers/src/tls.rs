//! A server that is reached over TLS, with certificates that were made for it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{Error, Options, Port, Server};

/// A server, at whose port of TLS a certificate is shown that only its own authority has signed.
#[derive(Debug)]
pub struct Tls {
    server: Server,
    port: Port,
    authority: String,
}

impl Tls {
    /// Starts one as `options` say.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let port = Port::take()?;
        let server = options
            .with("authority.pem", authority.pem())
            .with("certificate.pem", certificate.pem())
            .with("key.pem", key.serialize_pem())
            .set("tls-port", &port.number().to_string())
            .set("tls-ca-cert-file", "authority.pem")
            .set("tls-cert-file", "certificate.pem")
            .set("tls-key-file", "key.pem")
            .set("tls-auth-clients", "no")
            .start()
            .await?;
        Ok(Self { server, port, authority: authority.pem() })
    }

    /// Where it is reached over TLS.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port.number())
    }

    /// The certificate of its authority, in PEM.
    pub fn authority(&self) -> &[u8] {
        self.authority.as_bytes()
    }

    /// The server itself, which is reached without TLS too.
    pub fn server(&self) -> &Server {
        &self.server
    }
}
