//! Hosts that cannot prove who they are. Nothing is sent to them.
//!
//! On Linux, the variable `SSL_CERT_FILE` names the authorities that the program trusts.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use crate::support::{
    api::{read_request, success},
    command, key_text, run,
};

/// Signs certificates. The program trusts it through the file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(parameters.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
        Self { issuer: Issuer::new(parameters, key), file }
    }

    /// A server for HTTPS on this machine, whose certificate is for this name and until this year.
    async fn serve(&self, name: &str, until_year: i32) -> TlsApi {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(until_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (connections, made) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let api = TlsApi { url, connections: Arc::clone(&connections), made: Arc::clone(&made) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                if read_request(&mut stream).await.is_some() {
                    made.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(&success()).await.unwrap();
                    drop(stream.shutdown().await);
                }
            }
        });
        api
    }

    /// Creates a brand agent with the program, which is the one that reads the file.
    async fn create(&self, api: &TlsApi) -> (Option<i32>, Value) {
        let mut program = command(&[
            "tools",
            "call",
            "brand_agent_create",
            "name=Acme",
            "advertiserDomains[]=example.com",
            "--toolsets",
            "all",
            "--json",
        ]);
        program.env("SCOPE3_API_URL", &api.url).env("SCOPE3_API_KEY", key_text("only"));
        let outcome = run(program.env("SSL_CERT_FILE", self.file.path())).await;
        let result = serde_json::from_str(&outcome.stdout);
        (outcome.code, result.unwrap_or_else(|_| panic!("{} {}", outcome.stdout, outcome.stderr)))
    }
}

struct TlsApi {
    url: String,
    connections: Arc<AtomicU32>,
    made: Arc<AtomicU32>,
}

impl TlsApi {
    fn made(&self) -> u32 {
        self.made.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_host_whose_certificate_has_expired_or_names_another_host() {
    let authority = Authority::new();
    for (name, until_year, reason) in [("localhost", 2020, "expired"), ("example.com", 4000, "not valid for")]
    {
        let api = authority.serve(name, until_year).await;
        let (code, failure) = authority.create(&api).await;
        assert_eq!(code, Some(1), "{failure}");
        assert_eq!((&failure["code"], &failure["changed"]), (&json!("CONNECTION_FAILED"), &json!("no")));
        assert!(failure["message"].as_str().unwrap().contains(reason), "{failure}");
        assert_eq!((api.connections.load(Ordering::SeqCst), api.made()), (1, 0), "{name}");
    }
    // Only the certificate makes the difference.
    let api = authority.serve("localhost", 4000).await;
    let (code, result) = authority.create(&api).await;
    assert_eq!((code, api.made()), (Some(0), 1), "{result}");
}
