//! `user create`: writes a KafkaUser, waits until it can log in, and with `-o properties` prints what a client needs.

use clap::ValueEnum;
use kube::api::ObjectMeta;
use sdm_api::{
    Authentication, CertificateSpec, KafkaUser, KafkaUserSpec, PasswordSpec, QuotaSpec,
    SecretFormat, SecretKey, SecretTemplate,
};
use serde_json::Value;

use super::{bare, config};
use crate::exit::{Failure, Result};
use crate::flags::{DryRun, Format, pair};
use crate::objects::{self, Target, Writing};
use crate::session::Session;

/// Arguments of `user create`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Writes a KafkaUser into the namespace, and waits until its Secret is there. -o properties, librdkafka, spring or env prints the client configuration, which holds the credential; nothing else does.\nExamples:\n  kubectl kafka user create app -n team -c streaming/events\n  kubectl kafka user create app --authentication scram-sha-512 --quota producer-byte-rate=1048576\n  kubectl kafka user create app -o properties > client.properties"
)]
pub struct Args {
    /// The user's name
    #[arg(value_name = "NAME")]
    name: String,
    /// How it logs in
    #[arg(long, value_enum, default_value = "tls", value_name = "HOW")]
    authentication: Login,
    /// With external: the principal that Kafka makes of the credential, without User:
    #[arg(
        long,
        value_name = "NAME",
        required_if_eq("authentication", "external")
    )]
    principal: Option<String>,
    /// A quota, per broker: producer-byte-rate, consumer-byte-rate, request-percentage or controller-mutation-rate; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    quota: Vec<(String, String)>,
    /// The Secret the credential is delivered in; the user's name if not given
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// A form in which it is delivered; java and librdkafka if not given; may be repeated
    #[arg(long = "format", value_enum, value_name = "FORMAT")]
    formats: Vec<Form>,
    /// How long each certificate is valid, such as 2160h
    #[arg(long, value_name = "DURATION")]
    validity: Option<String>,
    /// How long the password before a rotation stays valid, such as 24h
    #[arg(long, value_name = "DURATION")]
    overlap: Option<String>,
    /// A password of your own, as SECRET/KEY of the namespace
    #[arg(long, value_name = "SECRET/KEY", value_parser = secret_key)]
    password_from: Option<SecretKey>,
    /// A user that exists already is no error (it is not compared)
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    writing: Writing,
}

/// How a user logs in.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Login {
    /// With a certificate of the cluster's authority
    Tls,
    /// With a password
    #[value(name = "scram-sha-512")]
    Sha512,
    /// With a password
    #[value(name = "scram-sha-256")]
    Sha256,
    /// With what somebody else provides
    External,
}

/// Forms of delivery.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Form {
    Pem,
    Pkcs12,
    Java,
    Librdkafka,
    Spring,
    Env,
    Servicebinding,
}

impl Form {
    fn format(self) -> SecretFormat {
        match self {
            Self::Pem => SecretFormat::Pem,
            Self::Pkcs12 => SecretFormat::Pkcs12,
            Self::Java => SecretFormat::Java,
            Self::Librdkafka => SecretFormat::Librdkafka,
            Self::Spring => SecretFormat::Spring,
            Self::Env => SecretFormat::Env,
            Self::Servicebinding => SecretFormat::Servicebinding,
        }
    }
}

fn secret_key(text: &str) -> Result<SecretKey, String> {
    match text.split_once('/') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() => Ok(SecretKey {
            name: name.to_owned(),
            key: key.to_owned(),
        }),
        _ => Err(format!("{text:?} is not of the form SECRET/KEY")),
    }
}

/// Creates the user.
///
/// # Errors
/// When it is refused, or cannot log in in time.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let wanted = session
        .output
        .format
        .is_config()
        .then_some(session.output.format);
    if wanted.is_some() && !args.writing.waits() {
        return Err(Failure::usage(
            "a client configuration is there once the user is ready: leave --wait=false and --dry-run out",
        ));
    }
    let target = objects::target(session).await?;
    let object = object(&args, &session.namespace, &target, wanted)?;
    let review = sdm_core::user::validate(&object, None);
    if let Some(violation) = review.violations.first() {
        return Err(Failure::usage(format!(
            "kafkauser/{}: {violation}",
            bare(&args.name)
        )));
    }
    let manifest = manifest(&object)?;
    if args.writing.dry_run == DryRun::Client {
        return match session.output.format {
            Format::Json | Format::Yaml => objects::documents(&session.output, &[manifest]),
            _ => {
                let written =
                    objects::Written::new([(&manifest, "created")].into_iter(), DryRun::Client)?;
                session.output.report(&written)
            }
        };
    }
    target.check(session).await?;
    let flags = target.flags_from(&session.namespace);
    let hint = |name: &str| format!("kubectl kafka user describe {name} {flags}");
    let api = session.namespaced::<KafkaUser>();
    let done = objects::create_all(
        session,
        &api,
        &[manifest],
        &args.writing,
        args.if_not_exists,
        hint,
    )
    .await;
    match (wanted, done.as_slice()) {
        (Some(format), [one]) if one.failure.is_none() => {
            let name = bare(&args.name);
            session
                .output
                .progress(format!("kafkauser/{name} {}", one.verb));
            let text = match &one.stored {
                Some(user) => config::text(session, user, format).await?,
                None => {
                    return Err(Failure::general(format!(
                        "kafkauser/{name} went away meanwhile"
                    )));
                }
            };
            session.output.line(text.trim_end())
        }
        _ => objects::finish(session, done, &args.writing),
    }
}

fn object(
    args: &Args,
    namespace: &str,
    target: &Target,
    wanted: Option<Format>,
) -> Result<KafkaUser> {
    let name = bare(&args.name).to_owned();
    let mut formats: Vec<SecretFormat> = args.formats.iter().map(|f| f.format()).collect();
    if let Some(needed) = wanted.and_then(config::needs)
        && !formats.contains(&needed)
        && (!formats.is_empty() || !config::DEFAULT.contains(&needed))
    {
        if formats.is_empty() {
            formats.extend(config::DEFAULT);
        }
        formats.push(needed);
    }
    let secret = (args.secret.is_some() || !formats.is_empty()).then(|| SecretTemplate {
        name: args.secret.clone(),
        formats,
        ..SecretTemplate::default()
    });
    let password = (args.overlap.is_some() || args.password_from.is_some()).then(|| PasswordSpec {
        secret_ref: args.password_from.clone(),
        iterations: None,
        overlap: args.overlap.clone(),
    });
    let spec = KafkaUserSpec {
        cluster_ref: target.reference_from(namespace),
        authentication: match args.authentication {
            Login::Tls => Authentication::Tls,
            Login::Sha512 => Authentication::ScramSha512,
            Login::Sha256 => Authentication::ScramSha256,
            Login::External => Authentication::External,
        },
        principal: args.principal.clone(),
        certificate: args.validity.clone().map(|validity| CertificateSpec {
            validity: Some(validity),
        }),
        password,
        quotas: quotas(&args.quota)?,
        secret,
    };
    Ok(KafkaUser {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    })
}

/// The object to write; how it logs in is always said.
pub fn manifest(user: &KafkaUser) -> Result<Value> {
    let mut default = KafkaUserSpec::default();
    if user.spec.authentication == Authentication::Tls {
        default.authentication = Authentication::External;
    }
    objects::sparse(user, &default)
}

/// Quotas by the words of the resource, of Kafka, or with dashes.
fn quotas(given: &[(String, String)]) -> Result<Option<QuotaSpec>> {
    let mut quotas = QuotaSpec::default();
    for (key, value) in given {
        let wrong = |_| Failure::usage(format!("quota {key}: {value:?} is no number"));
        let whole = || {
            value
                .parse::<i64>()
                .map(Some)
                .map_err(|e| wrong(e.to_string()))
        };
        let any = || {
            value
                .parse::<f64>()
                .map(Some)
                .map_err(|e| wrong(e.to_string()))
        };
        let letters: String = key.chars().filter(char::is_ascii_alphabetic).collect();
        match letters.to_ascii_lowercase().as_str() {
            "producerbyterate" => quotas.producer_byte_rate = whole()?,
            "consumerbyterate" => quotas.consumer_byte_rate = whole()?,
            "requestpercentage" => quotas.request_percentage = any()?,
            "controllermutationrate" => quotas.controller_mutation_rate = any()?,
            _ => {
                return Err(Failure::usage(format!("there is no quota {key}")).hint(
                    "one of producer-byte-rate, consumer-byte-rate, request-percentage, controller-mutation-rate",
                ));
            }
        }
    }
    Ok((!given.is_empty()).then_some(quotas))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::output::yaml;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn written(line: &str, wanted: Option<Format>) -> Result<String> {
        let args = Line::parse_from(line.split(' ')).args;
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        yaml(&manifest(&object(&args, "team", &target, wanted)?)?)
    }

    const HEAD: &str = "apiVersion: kafka.sdm.dev/v1beta1\nkind: KafkaUser\nmetadata:\n  name: app\n  namespace: team\nspec:\n";
    const CLUSTER: &str = "  clusterRef:\n    name: events\n    namespace: streaming\n";

    #[test]
    fn an_object_says_what_was_asked_for_and_no_more() {
        assert_eq!(
            written("create app", None).unwrap(),
            format!("{HEAD}  authentication: tls\n{CLUSTER}")
        );
        assert_eq!(
            written("create app --authentication scram-sha-256 --overlap 1h --quota producer-byte-rate=5 --quota requestPercentage=1.5", None).unwrap(),
            format!("{HEAD}  authentication: scram-sha-256\n{CLUSTER}  password:\n    overlap: 1h\n  quotas:\n    producerByteRate: 5\n    requestPercentage: 1.5\n")
        );
    }

    #[test]
    fn what_is_to_be_printed_is_delivered_too() {
        let formats = |line, wanted| {
            let text = written(line, wanted).unwrap();
            text.split_once("formats:\n")
                .map(|(_, list)| list.replace("  ", "").replace("- ", "").replace('\n', " "))
        };
        assert_eq!(formats("create app", Some(Format::Properties)), None);
        assert_eq!(
            formats("create app", Some(Format::Env)).as_deref(),
            Some("java librdkafka env ")
        );
        assert_eq!(
            formats("create app --format pkcs12", Some(Format::Properties)).as_deref(),
            Some("pkcs12 java ")
        );
    }

    #[test]
    fn quotas_must_exist_and_be_numbers() {
        for wrong in [
            "producer-rate=1",
            "producer-byte-rate=1.5",
            "request-percentage=x",
        ] {
            assert!(quotas(&[pair(wrong).unwrap()]).is_err(), "{wrong}");
        }
        assert_eq!(quotas(&[]).unwrap(), None);
        assert!(Line::try_parse_from("create app --authentication external".split(' ')).is_err());
        assert_eq!(secret_key("a/b").unwrap().key, "b");
        assert!(secret_key("a").is_err());
    }
}
