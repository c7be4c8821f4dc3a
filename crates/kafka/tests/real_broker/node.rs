//! A Kafka node of our own, and what tests ask of it again and again.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sdm_kafka::{Client, ClientConfig, NewTopic, SaslConfig, TcpDialer, TlsConfig};
use tokio::time::{Instant, sleep};

use crate::common::{Authority, Leaf};

pub const NODE: i32 = 7;
/// How long a login with PLAIN is good for.
pub const REAUTH_MS: u64 = 1500;

/// A Kafka node of our own: its directory, its process, its three listeners.
pub struct Kafka {
    pub dir: PathBuf,
    pub libs: String,
    pub jvm: Option<Child>,
    pub cluster_id: String,
    /// controller, replication, clients: mutual TLS
    pub ports: [u16; 3],
    /// Takes passwords over TLS, and no certificates.
    pub passwords: u16,
    pub ca: Authority,
}

impl Kafka {
    pub fn format() -> Self {
        let libs = std::env::var("SDM_KAFKA_LIBS")
            .expect("SDM_KAFKA_LIBS names a directory of Kafka's jars");
        let holders: Vec<TcpListener> = (0..4)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = holders
            .iter()
            .map(|l| l.local_addr().unwrap().port())
            .collect();
        let (ports, passwords) = ([ports[0], ports[1], ports[2]], ports[3]);
        let dir =
            std::env::temp_dir().join(format!("sdm-kafka-{}-{}", std::process::id(), ports[0]));
        fs::create_dir_all(dir.join("data")).unwrap();
        let ca = Authority::new("test-ca");
        let node = ca.issue("sdm:node");
        let at = |name: &str| dir.join(name).display().to_string();
        fs::write(
            at("keystore.pem"),
            format!("{}{}", node.key_pem, node.cert_pem),
        )
        .unwrap();
        fs::write(at("truststore.pem"), &ca.pem).unwrap();
        let [controller, replication, clients] = ports;
        let properties = format!(
            "process.roles=broker,controller\nnode.id={NODE}\nlog.dirs={data}\n\
             listeners=CONTROLLER://127.0.0.1:{controller},REPLICATION://127.0.0.1:{replication},CLIENTS://127.0.0.1:{clients},PASSWORDS://127.0.0.1:{passwords}\n\
             advertised.listeners=CONTROLLER://localhost:{controller},REPLICATION://localhost:{replication},CLIENTS://localhost:{clients},PASSWORDS://localhost:{passwords}\n\
             listener.security.protocol.map=CONTROLLER:SSL,REPLICATION:SSL,CLIENTS:SSL,PASSWORDS:SASL_SSL\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=REPLICATION\n\
             controller.quorum.bootstrap.servers=localhost:{controller}\n\
             ssl.keystore.type=PEM\nssl.keystore.location={keystore}\nssl.truststore.type=PEM\nssl.truststore.location={truststore}\n\
             ssl.client.auth=required\nssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/,DEFAULT\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:sdm:node;User:sdm:operator\nallow.everyone.if.no.acl.found=false\n\
             listener.name.passwords.ssl.client.auth=none\n\
             listener.name.passwords.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
             listener.name.passwords.scram-sha-256.sasl.jaas.config={scram}\n\
             listener.name.passwords.scram-sha-512.sasl.jaas.config={scram}\n\
             listener.name.passwords.plain.sasl.jaas.config={plain}\n\
             listener.name.passwords.plain.connections.max.reauth.ms={REAUTH_MS}\n\
             broker.rack=zone-a\noffsets.topic.replication.factor=1\nauto.create.topics.enable=false\n\
             log.cleaner.dedupe.buffer.size=2097152\nlog.cleaner.threads=1\ngroup.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=5\n",
            data = at("data"),
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            plain = "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"open sesame\";",
            keystore = at("keystore.pem"),
            truststore = at("truststore.pem"),
        );
        fs::write(at("server.properties"), properties).unwrap();
        let cluster_id = "4L6g3nShT-eMCtK--X86sw".to_owned();
        let mut kafka = Self {
            dir,
            libs,
            jvm: None,
            cluster_id,
            ports,
            passwords,
            ca,
        };
        let id = kafka.cluster_id.clone();
        drop(holders);
        let formatted = kafka
            .java(&[
                "kafka.tools.StorageTool",
                "format",
                "-t",
                &id,
                "--standalone",
                "-c",
                "server.properties",
            ])
            .wait()
            .unwrap();
        assert!(formatted.success(), "{}", kafka.log());
        kafka.start();
        kafka
    }

    /// A JVM with a program of Kafka's, in our directory.
    pub fn java(&self, args: &[&str]) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        Command::new("java")
            .args([
                "-Xmx384m",
                "-Xms128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &format!("{}/*", self.libs),
            ])
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    pub fn start(&mut self) {
        self.jvm = Some(self.java(&["kafka.Kafka", "server.properties"]));
    }

    /// Another line of configuration; the node takes it up when it starts.
    pub fn configure(&self, line: &str) {
        let file = self.dir.join("server.properties");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{before}{line}\n")).unwrap();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut jvm = self.jvm.take().unwrap();
        jvm.kill().unwrap();
        jvm.wait().unwrap();
    }

    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        log.lines()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn client_on(&self, port: u16, tls: Option<TlsConfig>, timeout: Duration) -> Client {
        Client::new(ClientConfig {
            bootstrap: vec![("localhost".to_owned(), port)],
            tls,
            sasl: None,
            dialer: Arc::new(TcpDialer),
            client_id: "test".to_owned(),
            timeout,
        })
    }

    /// A client that shows no certificate and logs in.
    pub fn client_with_password(&self, sasl: SaslConfig) -> Client {
        Client::new(ClientConfig {
            bootstrap: vec![("localhost".to_owned(), self.passwords)],
            tls: Some(TlsConfig::new(self.ca.client(None)).unwrap()),
            sasl: Some(sasl),
            dialer: Arc::new(TcpDialer),
            client_id: "test".to_owned(),
            timeout: Duration::from_secs(20),
        })
    }

    pub fn client(&self, leaf: &Leaf) -> Client {
        let tls = TlsConfig::new(self.ca.client(Some(leaf))).unwrap();
        self.client_on(self.ports[2], Some(tls), Duration::from_secs(20))
    }

    pub async fn ready(&mut self, client: &Client) {
        let begun = Instant::now();
        loop {
            let described = client.describe_cluster(true).await;
            if described
                .as_ref()
                .is_ok_and(|c| c.nodes.iter().any(|n| n.id == NODE && !n.fenced))
            {
                return;
            }
            let dead = self.jvm.as_mut().unwrap().try_wait().unwrap();
            assert!(
                dead.is_none() && begun.elapsed() < Duration::from_secs(90),
                "{described:?}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(mut jvm) = self.jvm.take() {
            let _ = jvm.kill();
            let _ = jvm.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
pub fn new_topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(1),
        ..NewTopic::default()
    }
}

/// What `ask` has to say once it has something to say.
pub async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(told) = ask().await {
            return told;
        }
        sleep(Duration::from_millis(30)).await;
    }
}
