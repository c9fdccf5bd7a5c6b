//! Commands over TLS, with the keys of Kafka's clients.

use super::{Running, command};
use ottla::Node;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use tempfile::TempDir;

/// Files of keys: an authority, a node's and a client's certificate of it, and an authority that nobody knows.
struct Keys {
    dir: TempDir,
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

/// A key, and a certificate for a name.
fn identity(issuer: &Issuer<'_, KeyPair>, name: &str) -> String {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    format!("{}{}", key.serialize_pem(), certificate.pem())
}

impl Keys {
    fn new(node_name: &str) -> Self {
        let keys = Self { dir: tempfile::tempdir().unwrap() };
        let (certificate, issuer) = authority();
        keys.write("ca.pem", &certificate);
        keys.write("node.pem", &identity(&issuer, node_name));
        keys.write("client.pem", &identity(&issuer, "client"));
        keys.write("stranger.pem", &authority().0);
        keys
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn node(&self) -> Node {
        Node::builder()
            .property("listeners", "SSL://127.0.0.1:0,CONTROLLER://127.0.0.1:0")
            .property("inter.broker.listener.name", "SSL")
            .property("listener.security.protocol.map", "SSL:SSL,CONTROLLER:PLAINTEXT")
            .property("ssl.keystore.type", "PEM")
            .property("ssl.keystore.location", self.path("node.pem"))
            .property("ssl.truststore.type", "PEM")
            .property("ssl.truststore.location", self.path("ca.pem"))
            .property("ssl.client.auth", "required")
            .start()
            .unwrap()
    }

    /// A client's file of settings.
    fn settings(&self, trusted: &str, more: &str) -> String {
        let (trusted, own) = (self.path(trusted), self.path("client.pem"));
        let text = format!(
            "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={trusted}\n\
             ssl.keystore.type=PEM\nssl.keystore.location={own}\ndefault.api.timeout.ms=5000\n{more}"
        );
        self.write("client.properties", &text).display().to_string()
    }
}

#[test]
fn commands_speak_tls_with_certificates_on_both_sides() {
    let keys = Keys::new("127.0.0.1");
    let node = keys.node();
    let settings = keys.settings("ca.pem", "");
    let told = |line: &str| format!("{line} --bootstrap-server {} --command-config {settings}", node.bootstrap());
    let mut producer = Running::new(command(&told("console-producer --topic orders")));
    producer.say("one");
    assert!(producer.end().status.success());
    let consumer = command(&told("console-consumer --topic orders --from-beginning --max-messages 1"));
    assert_eq!(super::text({ consumer }.output().unwrap()), "one\n");
    assert!(super::text(command(&told("topics --list")).output().unwrap()).contains("orders"));
}

#[test]
fn who_is_not_believed_is_not_spoken_to() {
    let keys = Keys::new("elsewhere.example");
    let node = keys.node();
    let list = |settings: &str| {
        let line = format!("topics --list --bootstrap-server {} --command-config {settings}", node.bootstrap());
        let ended = command(&line).output().unwrap();
        (ended.status.success(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
    };
    // The certificate is another host's.
    let (done, told) = list(&keys.settings("ca.pem", ""));
    assert!(!done && told.contains("certificate not valid for name"), "{told}");
    assert!(list(&keys.settings("ca.pem", "ssl.endpoint.identification.algorithm=\n")).0);
    // Its authority is not known.
    let (done, told) = list(&keys.settings("stranger.pem", "ssl.endpoint.identification.algorithm=\n"));
    assert!(!done && told.contains("SSL handshake failed"), "{told}");
    // A store that is not there.
    let (done, told) = list(&keys.settings("nothing.pem", ""));
    assert!(!done && told.contains("nothing.pem"), "{told}");
}
