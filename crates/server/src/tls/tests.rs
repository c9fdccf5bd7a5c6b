//! Handshakes over real sockets with rustls's own client, with certificates that each test makes.

use super::version1::Version1;
use super::*;
use crate::config::{NodeConfig, Properties};
use ottla_io::buffers::BufferPool;
use ottla_io::socket::Socket;
use ottla_io::stores::{KeyStore, TrustStore, pem};
use p12_keystore::{Certificate as P12Certificate, KeyStore as P12, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use tempfile::TempDir;

/// Somebody who vouches for others.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A key and what the authority says about its owner.
struct Issued {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn issue(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Issued {
    fn pem(&self) -> String {
        format!("{}{}", self.key.serialize_pem(), self.certificate.pem())
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

struct Scene {
    dir: TempDir,
    authority: Authority,
}

impl Scene {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), authority: Authority::new() }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// A TLS listener that is configured as in a properties file, with `node.pem` and `ca.pem` in place.
    fn listener(&self, more: &str) -> Result<Tls, String> {
        self.write("ca.pem", self.authority.certificate.pem());
        if !Path::new(&self.path("node.pem")).exists() {
            self.write("node.pem", self.authority.issue("node").pem());
        }
        let stores = format!("ssl.keystore.type=PEM\nssl.keystore.location={}\n", self.path("node.pem"));
        self.listener_with(&format!("{stores}{more}"))
    }

    fn listener_with(&self, more: &str) -> Result<Tls, String> {
        let text = format!(
            "node.id=1\nprocess.roles=broker,controller\nlisteners=SSL://:0,CONTROLLER://:0\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@localhost:1\n\
             listener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT\nsecurity.inter.broker.protocol=SSL\n{more}"
        );
        let loaded =
            NodeConfig::load(&Properties::parse(text.as_bytes()).unwrap()).map_err(|error| error.to_string())?;
        let config = loaded.config;
        Tls::new(&config.network.listeners[0], config.network.tls["SSL"].clone(), config.file)
    }

    fn client(&self, own: Option<&Issued>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some(own) => builder.with_client_auth_cert(vec![own.certificate.der().clone()], own.key_der()).unwrap(),
        }
    }
}

fn truststore(scene: &Scene) -> String {
    format!("ssl.truststore.type=PEM\nssl.truststore.location={}\n", scene.path("ca.pem"))
}

/// Shakes hands, and has both sides send `bytes` to each other. Gives the client's name and what the client read, and the
/// certificate that it saw.
fn meet(terms: &Terms, client: ClientConfig, bytes: usize) -> Result<(Principal, Vec<u8>, Vec<u8>), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listening = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listening.local_addr().unwrap();
    let terms = terms.clone();
    let served = runtime.spawn(async move {
        let (stream, _) = listening.accept().await.unwrap();
        let mut socket = Socket::accept_tls(stream, Arc::clone(&terms.config)).await?;
        let principal = match &socket {
            Socket::Tls(tls) => terms.principal(tls.session()),
            Socket::Plain(_) => None,
        };
        let mut got = Vec::new();
        let mut room = vec![0; 1000];
        while got.len() < bytes {
            socket.readable().await?;
            if let Some(count) = socket.try_read(&mut room)? {
                got.extend_from_slice(&room[..count]);
            }
        }
        let pool = BufferPool::new(1 << 20);
        socket.write_all(&got, &pool).await?;
        // Whoever the client is does not see how it ends: it may leave first, or be left.
        if bytes.is_multiple_of(2) {
            assert_eq!(socket.gone().await.kind(), std::io::ErrorKind::UnexpectedEof);
        }
        Ok::<_, std::io::Error>(principal)
    });
    let talked = (|| {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(client), name).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        let sent: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        let mut writing = &sent[..];
        let mut back = Vec::new();
        std::io::copy(&mut writing, &mut stream).map_err(|error| error.to_string())?;
        while back.len() < bytes {
            let mut room = [0; 4096];
            match stream.read(&mut room) {
                Ok(0) => return Err("the end came early".to_owned()),
                Ok(count) => back.extend_from_slice(&room[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
        assert_eq!(back, sent);
        match bytes.is_multiple_of(2) {
            true => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            false => assert_eq!(stream.read(&mut [0]).map_err(|error| error.to_string())?, 0, "an end, not a cut"),
        }
        let seen = stream.conn.peer_certificates().unwrap()[0].to_vec();
        Ok((back, seen))
    })();
    let principal = runtime.block_on(served).unwrap();
    let (back, seen) = talked?;
    let principal = principal.map_err(|error| error.to_string())?;
    Ok((principal.ok_or("nobody")?, back, seen))
}

fn terms(tls: &Tls) -> Terms {
    tls.terms(&tls.nothing, &tls.nothing)
}

#[test]
fn data_goes_both_ways_whatever_its_size() {
    let scene = Scene::new();
    let tls = scene.listener("").unwrap();
    for bytes in [1, 16_384, 3_000_000] {
        let (principal, ..) = meet(&terms(&tls), scene.client(None), bytes).unwrap();
        assert_eq!(principal, Principal::anonymous());
    }
}

#[test]
fn each_protocol_can_be_chosen_and_so_can_suites() {
    let scene = Scene::new();
    for more in [
        "ssl.enabled.protocols=TLSv1.2\n",
        "ssl.enabled.protocols=TLSv1.3\nssl.cipher.suites=TLS_AES_256_GCM_SHA384\n",
        "ssl.cipher.suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_CBC_SHA\nssl.enabled.protocols=TLSv1.2\n",
    ] {
        meet(&terms(&scene.listener(more).unwrap()), scene.client(None), 10).unwrap();
    }
    let none = scene.listener("ssl.cipher.suites=TLS_RSA_WITH_AES_128_CBC_SHA\n").err().unwrap();
    assert!(none.contains("none of these is there"), "{none}");
    let older = scene.listener("ssl.enabled.protocols=TLSv1.1\n").err().unwrap();
    assert!(older.contains("the protocol TLSv1.1 is not served"), "{older}");
}

#[test]
fn a_clients_certificate_is_its_name() {
    let scene = Scene::new();
    let alice = scene.authority.issue("Alice");
    let required = format!("{}ssl.client.auth=required\n", truststore(&scene));
    scene.listener("").unwrap();
    let tls = scene.listener(&required).unwrap();
    let (principal, ..) = meet(&terms(&tls), scene.client(Some(&alice)), 10).unwrap();
    assert_eq!(principal, Principal::user("CN=Alice,O=Example"));
    let mapped = scene
        .listener(&format!("{required}listener.name.ssl.ssl.principal.mapping.rules=RULE:^CN=(.*?),.*$/$1/L\n"))
        .unwrap();
    assert_eq!(meet(&terms(&mapped), scene.client(Some(&alice)), 10).unwrap().0, Principal::user("alice"));
    assert!(meet(&terms(&tls), scene.client(None), 10).is_err(), "a certificate is required");
    let stranger = Authority::new().issue("Alice");
    assert!(meet(&terms(&tls), scene.client(Some(&stranger)), 10).is_err(), "issued by nobody known");
}

#[test]
fn a_certificate_that_was_requested_may_be_missing_but_not_wrong() {
    let scene = Scene::new();
    scene.listener("").unwrap();
    let tls = scene.listener(&format!("{}ssl.client.auth=requested\n", truststore(&scene))).unwrap();
    assert_eq!(meet(&terms(&tls), scene.client(None), 10).unwrap().0, Principal::anonymous());
    let stranger = Authority::new().issue("Alice");
    assert!(meet(&terms(&tls), scene.client(Some(&stranger)), 10).is_err());
}

#[test]
fn a_certificate_that_is_trusted_itself_needs_no_issuer() {
    let scene = Scene::new();
    let alice = Authority::new().issue("Alice");
    let trust = scene.write("alice.pem", alice.certificate.pem());
    let more = format!("ssl.truststore.type=PEM\nssl.truststore.location={trust}\nssl.client.auth=required\n");
    let tls = scene.listener(&more).unwrap();
    assert_eq!(meet(&terms(&tls), scene.client(Some(&alice)), 10).unwrap().0, Principal::user("CN=Alice,O=Example"));
}

#[test]
fn certificates_of_the_first_version_are_taken_on_both_sides() {
    const OWN: &str = include_str!("fixtures/version1.pem");
    const AUTHORITY: &str = include_str!("fixtures/version1-authority.pem");
    let scene = Scene::new();
    scene.write("node.pem", OWN);
    assert!(Version1::read(&pem::blocks(OWN).unwrap()[1].1).is_some());
    scene.listener("").unwrap();
    std::fs::remove_file(scene.path("node.pem")).unwrap();
    let block = |text: &str, at: usize| pem::blocks(text).unwrap().swap_remove(at).1;
    let trust = scene.write("old.pem", AUTHORITY);
    let strangers = scene.write("strangers.pem", Authority::new().certificate.pem());
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let listener = |trust: &str| {
            let trust = format!("ssl.truststore.type=PEM\nssl.truststore.location={trust}\nssl.client.auth=required\n");
            scene.listener(&format!("{trust}ssl.enabled.protocols={protocol}\n")).unwrap()
        };
        // rustls's own client would look into its certificate, and read the third version only.
        let client = || {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(block(OWN, 0)));
            let key = default_provider().key_provider.load_private_key(key).unwrap();
            let own = CertifiedKey::new(vec![block(OWN, 1).into()], key);
            let mut config = scene.client(None);
            config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
            config
        };
        let (principal, ..) = meet(&terms(&listener(&trust)), client(), 10).unwrap();
        assert_eq!(principal, Principal::user("CN=old,O=Example"));
        assert!(meet(&terms(&listener(&strangers)), client(), 10).is_err(), "issued by nobody known");
    }
}

#[test]
fn a_key_that_is_anothers_is_refused() {
    let scene = Scene::new();
    let (node, other) = (scene.authority.issue("node"), scene.authority.issue("other"));
    scene.write("node.pem", format!("{}{}", other.key.serialize_pem(), node.certificate.pem()));
    assert!(scene.listener("").err().unwrap().contains("is not that of the certificate"));
}

#[test]
fn keys_and_certificates_may_stand_in_the_file() {
    let scene = Scene::new();
    let node = scene.authority.issue("node");
    let line = |text: &str| text.replace('\n', " \\\n ");
    let inline = format!(
        "ssl.keystore.type=PEM\nssl.keystore.key={}\nssl.keystore.certificate.chain={}\n",
        line(node.key.serialize_pem().trim()),
        line(node.certificate.pem().trim())
    );
    meet(&terms(&scene.listener_with(&inline).unwrap()), scene.client(None), 10).unwrap();
}

#[test]
fn a_pkcs12_store_is_read_whatever_it_is_called() {
    let scene = Scene::new();
    let node = scene.authority.issue("node");
    let certificate = |der: &[u8]| P12Certificate::from_der(der).unwrap();
    let chain = [certificate(node.certificate.der()), certificate(scene.authority.certificate.der())];
    let key = PrivateKey::from_der(&node.key.serialize_der()).unwrap();
    let mut store = P12::new();
    store.add_entry("node", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, chain)));
    let location = scene.write("node.p12", store.writer("secret").write().unwrap());
    for kind in ["ssl.keystore.type=PKCS12\n", ""] {
        let with = |password: &str| {
            scene.listener_with(&format!("{kind}ssl.keystore.location={location}\nssl.keystore.password={password}\n"))
        };
        meet(&terms(&with("secret").unwrap()), scene.client(None), 10).unwrap();
        let wrong = with("wrong").err().unwrap();
        assert!(wrong.contains("Failed to load SSL keystore") && !wrong.contains("wrong password is wrong"), "{wrong}");
    }
}

#[test]
fn a_changed_file_counts_for_the_next_connection() {
    let scene = Scene::new();
    let tls = scene.listener("").unwrap();
    let seen = |tls: &Tls| {
        tls.held.lock().unwrap().looked -= LOOK_INTERVAL;
        meet(&terms(tls), scene.client(None), 10).unwrap().2
    };
    let first = seen(&tls);
    let node = scene.authority.issue("node");
    scene.write("node.pem", node.pem());
    let second = seen(&tls);
    assert_ne!(first, second);
    assert_eq!(second, node.certificate.der().to_vec());
    scene.write("node.pem", scene.authority.issue("somebody else").pem());
    assert_eq!(seen(&tls), second, "who the node is may not change");
    scene.write("node.pem", "garbage");
    assert_eq!(seen(&tls), second);
    let allowed = scene.write("node.pem", node.pem());
    assert!(Path::new(&allowed).exists());
    let tls = scene.listener("ssl.allow.dn.changes=true\n").unwrap();
    assert_eq!(seen(&tls), second);
    scene.write("node.pem", scene.authority.issue("somebody else").pem());
    assert_ne!(seen(&tls), second);
}

#[test]
fn a_dynamic_configuration_counts_at_once() {
    let scene = Scene::new();
    let tls = scene.listener("").unwrap();
    let other = scene.authority.issue("node");
    let location = scene.write("other.pem", other.pem());
    let set = |location: &str| {
        Arc::new(Configs::from([("listener.name.ssl.ssl.keystore.location".to_owned(), location.to_owned())]))
    };
    let seen = |configs: &Arc<Configs>| meet(&tls.terms(configs, &tls.nothing), scene.client(None), 10).unwrap().2;
    let before = seen(&tls.nothing);
    let changed = set(&location);
    assert_eq!(seen(&changed), other.certificate.der().to_vec());
    assert_eq!(seen(&set("/nowhere")), other.certificate.der().to_vec(), "what cannot be used changes nothing");
    assert_eq!(seen(&tls.nothing), before);
}

#[test]
fn what_cannot_be_used_is_refused_before_it_is_set() {
    let scene = Scene::new();
    let tls = scene.listener("").unwrap();
    let check = |name: &str| {
        let key = "listener.name.ssl.ssl.keystore.location".to_owned();
        tls.check(&Configs::from([(key, scene.path(name))]))
    };
    scene.write("again.pem", scene.authority.issue("node").pem());
    scene.write("other.pem", scene.authority.issue("other").pem());
    check("again.pem").unwrap();
    assert!(check("missing.pem").unwrap_err().contains("missing.pem"));
    assert!(check("other.pem").unwrap_err().contains("ssl.allow.dn.changes is false"));
    tls.check(&Configs::from([("log.retention.ms".to_owned(), "5".to_owned())])).unwrap();
}

#[test]
fn what_contradicts_itself_is_told_in_kafkas_words() {
    let scene = Scene::new();
    for (more, expected) in [
        ("ssl.keystore.location=/a\n", "SSL key store is specified, but key store password is not specified."),
        ("ssl.keystore.password=a\n", "SSL key store is not specified, but key store password is specified."),
        ("ssl.keystore.key=a\n", "SSL private key can be specified only for PEM, but key store type is JKS."),
        ("ssl.keystore.type=PEM\nssl.keystore.key=a\n", "certificate chain is not specified."),
        ("ssl.truststore.password=a\n", "SSL trust store is not specified, but trust store password is specified."),
        ("ssl.client.auth=required\n", "is not set"),
        ("ssl.engine.factory.class=com.example.Mine\n", "com.example.Mine would decide about certificates"),
        ("ssl.principal.mapping.rules=RULE:a\n", "Invalid rule"),
        ("listener.name.ssl.ssl.keystore.location=/a\nlistener.name.ssl.ssl.keystore.password=b\n", "/a"),
    ] {
        let error = scene.listener_with(more).err().unwrap();
        assert!(error.contains(expected), "{more}: {error}");
    }
    assert_eq!(format!("{:?}", KeyStore::PemFile { location: "/a".into(), key_password: Some("b".into()) }), "/a");
    assert_eq!(format!("{:?}", TrustStore::Pem("a".into())), "ssl.truststore.certificates");
}
