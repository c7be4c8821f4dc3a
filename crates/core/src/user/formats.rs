//! The forms in which a credential is delivered: ready-made configurations of clients.

use std::collections::BTreeMap;

use sdm_api::SecretFormat;

use super::{Delivery, Material};
use crate::render::properties;

/// Where Pods mount the Secret unless told otherwise.
const MOUNT_PATH: &str = "/etc/kafka-client";
/// What is delivered unless told otherwise.
const DEFAULT: [SecretFormat; 2] = [SecretFormat::Java, SecretFormat::Librdkafka];

/// The forms a user wants, besides the credential itself.
pub(super) fn wanted(user: &sdm_api::KafkaUser) -> &[SecretFormat] {
    match &user.spec.secret {
        Some(secret) if !secret.formats.is_empty() => &secret.formats,
        _ => &DEFAULT,
    }
}

/// The keys of the Secret, all but PKCS#12.
pub(super) fn data(delivery: &Delivery<'_>, material: &Material<'_>) -> BTreeMap<String, Vec<u8>> {
    let render = Render { delivery, material };
    let mut data = render.parts();
    for format in wanted(delivery.user) {
        match format {
            SecretFormat::Pem | SecretFormat::Pkcs12 => {}
            SecretFormat::Java => put(&mut data, "client.properties", render.java()),
            SecretFormat::Librdkafka => {
                put(&mut data, "librdkafka.properties", render.librdkafka())
            }
            SecretFormat::Spring => put(&mut data, "application.properties", render.spring()),
            SecretFormat::Env => put(&mut data, "client.env", render.env()),
            SecretFormat::Servicebinding => {
                for (key, value) in render.binding() {
                    put(&mut data, key, value);
                }
            }
        }
    }
    let bytes = |(key, value): (String, String)| (key, value.into_bytes());
    data.into_iter().map(bytes).collect()
}

fn put(data: &mut BTreeMap<String, String>, key: &str, value: String) {
    data.insert(key.to_owned(), value);
}

/// The JAAS configuration of a SCRAM client, as `org.apache.kafka.common.security.JaasConfig` reads it.
fn jaas(username: &str, password: &str) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{}\" password=\"{}\";",
        quoted(username),
        quoted(password)
    )
}

struct Render<'a> {
    delivery: &'a Delivery<'a>,
    material: &'a Material<'a>,
}

impl Render<'_> {
    /// The credential itself.
    fn parts(&self) -> BTreeMap<String, String> {
        let mut data = BTreeMap::new();
        match self.material {
            Material::Certificate { cert_pem, key_pem } => {
                put(&mut data, "tls.crt", (*cert_pem).to_owned());
                put(&mut data, "tls.key", (*key_pem).to_owned());
            }
            Material::Password { username, password } => {
                put(&mut data, "username", (*username).to_owned());
                put(&mut data, "password", (*password).to_owned());
                put(&mut data, "sasl.jaas.config", jaas(username, password));
            }
        }
        if self.tls() {
            put(&mut data, "ca.crt", self.delivery.ca_pem.to_owned());
        }
        data
    }

    fn tls(&self) -> bool {
        self.delivery.listener.protocol.is_tls()
    }

    fn bootstrap(&self) -> String {
        self.delivery.listener.bootstrap_servers.clone()
    }

    fn protocol(&self) -> String {
        self.delivery.listener.protocol.as_str().to_owned()
    }

    fn mechanism(&self) -> String {
        let mechanism = self.delivery.listener.mechanism;
        mechanism.map_or_else(String::new, |m| m.as_str().to_owned())
    }

    fn path(&self, file: &str) -> String {
        let given = self.delivery.user.spec.secret.as_ref();
        let path = given.and_then(|s| s.mount_path.as_deref());
        format!(
            "{}/{file}",
            path.unwrap_or(MOUNT_PATH).trim_end_matches('/')
        )
    }

    /// What makes a Java client secure, without paths.
    fn security(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::new();
        match self.material {
            Material::Certificate { cert_pem, key_pem } => {
                all.insert("ssl.keystore.type", "PEM".to_owned());
                all.insert("ssl.keystore.certificate.chain", (*cert_pem).to_owned());
                all.insert("ssl.keystore.key", (*key_pem).to_owned());
            }
            Material::Password { username, password } => {
                all.insert("sasl.mechanism", self.mechanism());
                all.insert("sasl.jaas.config", jaas(username, password));
            }
        }
        if self.tls() {
            all.insert("ssl.truststore.type", "PEM".to_owned());
            all.insert(
                "ssl.truststore.certificates",
                self.delivery.ca_pem.to_owned(),
            );
        }
        all
    }

    fn java(&self) -> String {
        let mut all = self.security();
        all.insert("bootstrap.servers", self.bootstrap());
        all.insert("security.protocol", self.protocol());
        let owned = all.into_iter().map(|(key, value)| (key.to_owned(), value));
        properties::text(&owned.collect())
    }

    fn spring(&self) -> String {
        let of_client = |(key, value)| (format!("spring.kafka.properties.{key}"), value);
        let mut all: BTreeMap<_, _> = self.security().into_iter().map(of_client).collect();
        put(&mut all, "spring.kafka.bootstrap-servers", self.bootstrap());
        put(&mut all, "spring.kafka.security.protocol", self.protocol());
        properties::text(&all)
    }

    /// A line a key, as kcat and librdkafka's own tools read it: nothing is quoted, so what has several lines stays in
    /// files.
    fn librdkafka(&self) -> String {
        let mut all = BTreeMap::from([
            ("bootstrap.servers", self.bootstrap()),
            ("security.protocol", self.protocol().to_lowercase()),
        ]);
        match self.material {
            Material::Certificate { .. } => {
                all.insert("ssl.certificate.location", self.path("tls.crt"));
                all.insert("ssl.key.location", self.path("tls.key"));
            }
            Material::Password { username, password } => {
                all.insert("sasl.mechanism", self.mechanism());
                all.insert("sasl.username", (*username).to_owned());
                all.insert("sasl.password", (*password).to_owned());
            }
        }
        if self.tls() {
            all.insert("ssl.ca.location", self.path("ca.crt"));
        }
        all.iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect()
    }

    /// Variables for a shell, or for `env` files where nothing needs quotes.
    fn env(&self) -> String {
        let mut all = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", self.bootstrap()),
            ("KAFKA_SECURITY_PROTOCOL", self.protocol()),
        ];
        if self.tls() {
            all.push(("KAFKA_SSL_CA_LOCATION", self.path("ca.crt")));
        }
        match self.material {
            Material::Certificate { .. } => {
                all.push(("KAFKA_SSL_CERTIFICATE_LOCATION", self.path("tls.crt")));
                all.push(("KAFKA_SSL_KEY_LOCATION", self.path("tls.key")));
            }
            Material::Password { username, password } => {
                all.push(("KAFKA_SASL_MECHANISM", self.mechanism()));
                all.push(("KAFKA_SASL_USERNAME", (*username).to_owned()));
                all.push(("KAFKA_SASL_PASSWORD", (*password).to_owned()));
            }
        }
        all.iter()
            .map(|(key, value)| format!("{key}={}\n", shell(value)))
            .collect()
    }

    /// As servicebinding.io has it, and as Spring's, Quarkus' and Strimzi's readers of bindings spell it.
    fn binding(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("type", "kafka".to_owned()),
            ("provider", "sdm".to_owned()),
            ("bootstrapServers", self.bootstrap()),
            ("bootstrap-servers", self.bootstrap()),
            ("bootstrap.servers", self.bootstrap()),
            ("securityProtocol", self.protocol()),
            ("security.protocol", self.protocol()),
        ];
        if self.tls() {
            all.push(("ssl.truststore.crt", self.delivery.ca_pem.to_owned()));
        }
        match self.material {
            Material::Certificate { cert_pem, key_pem } => {
                for key in ["certificates", "ssl.keystore.crt"] {
                    all.push((key, (*cert_pem).to_owned()));
                }
                for key in ["private-key", "ssl.keystore.key"] {
                    all.push((key, (*key_pem).to_owned()));
                }
            }
            Material::Password { username, .. } => {
                all.push(("user", (*username).to_owned()));
                for key in ["saslMechanism", "sasl.mechanism"] {
                    all.push((key, self.mechanism()));
                }
            }
        }
        all
    }
}

/// A word of a shell, quoted where it has to be.
fn shell(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}
