//! `user config`: the client configuration that a user's Secret holds. It holds the credential, so it is printed only
//! when asked for by name, and a file is only readable by its owner.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use sdm_api::{KafkaUser, SecretFormat};

use super::bare;
use crate::exit::{Code, Failure, Result};
use crate::flags::Format;
use crate::kafka::secret_key;
use crate::objects::{self, Standing, ours};
use crate::session::Session;
use crate::verbs::client_config;

/// What a Secret holds unless told otherwise.
pub const DEFAULT: [SecretFormat; 2] = [SecretFormat::Java, SecretFormat::Librdkafka];

/// Arguments of `user config`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "-o properties (for Java and Kafka's own tools; the default), librdkafka, spring or env.\nExamples:\n  kubectl kafka user config app --write client.properties\n  kubectl kafka user config app -o librdkafka | kcat -F /dev/stdin -L"
)]
pub struct Args {
    /// Name of the KafkaUser
    #[arg(value_name = "NAME")]
    name: String,
    /// Write it into this file (mode 0600) instead of standard output
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "write")]
    force: bool,
}

/// Whether a verb prints client configurations.
pub fn takes(verb: &super::Verb) -> bool {
    matches!(verb, super::Verb::Create(_) | super::Verb::Config(_))
}

/// Prints or writes the configuration.
///
/// # Errors
/// When there is no such user, or it has no Secret yet.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let format = match session.output.format {
        Format::Table => Format::Properties,
        format if format.is_config() => format,
        _ => {
            return Err(Failure::usage(
                "a client configuration is -o properties, librdkafka, spring or env",
            )
            .hint("kubectl kafka user describe shows what a user is, in every other format"));
        }
    };
    let target = objects::target(session).await?;
    let user = ours::<KafkaUser>(session, &target, bare(&args.name)).await?;
    let text = text(session, &user, format).await?;
    match &args.write {
        None => session.output.line(text.trim_end()),
        Some(path) => {
            client_config::write(path, args.force, &text)?;
            session.output.line(&format!("{} written", path.display()))
        }
    }
}

/// The form of delivery that a format is read from.
pub fn needs(format: Format) -> Option<SecretFormat> {
    match format {
        Format::Properties => Some(SecretFormat::Java),
        Format::Librdkafka => Some(SecretFormat::Librdkafka),
        Format::Spring => Some(SecretFormat::Spring),
        Format::Env => Some(SecretFormat::Env),
        Format::Table | Format::Wide | Format::Json | Format::Yaml | Format::Name => None,
    }
}

fn key(format: Format) -> &'static str {
    match format {
        Format::Librdkafka => "librdkafka.properties",
        Format::Spring => "application.properties",
        Format::Env => "client.env",
        _ => "client.properties",
    }
}

/// What the user's Secret says in this format.
///
/// # Errors
/// When the Secret is not there, may not be read, or does not have it.
pub async fn text(session: &Session, user: &KafkaUser, format: Format) -> Result<String> {
    let name = user.name_any();
    let place = format!("namespace {}", session.namespace);
    let secret_name = user.status.as_ref().and_then(|s| s.secret.as_deref());
    let describe = format!(
        "kubectl kafka user describe {name} -n {}",
        session.namespace
    );
    let Some(secret_name) = secret_name else {
        let why = match user.spec.authentication {
            sdm_api::Authentication::External => "somebody else provides its credential".to_owned(),
            _ => Standing::of(user).message,
        };
        let what = format!("KafkaUser {name} has no Secret: {why}");
        return Err(Failure::new(Code::NotFound, what).at(place).hint(describe));
    };
    let secret = session.namespaced::<Secret>().get_opt(secret_name).await;
    let secret = secret
        .map_err(|e| session.failed(&format!("read secret {secret_name}"), e))?
        .ok_or_else(|| {
            Failure::new(Code::NotFound, format!("there is no Secret {secret_name}"))
                .at(&place)
                .hint(describe)
        })?;
    let key = key(format);
    let bytes = secret_key(&secret, key).ok_or_else(|| {
        let mut wanted = user
            .spec
            .secret
            .as_ref()
            .map(|s| s.formats.clone())
            .unwrap_or_default();
        if wanted.is_empty() {
            wanted.extend(DEFAULT);
        }
        wanted.extend(needs(format));
        let patch = serde_json::json!({ "spec": { "secret": { "formats": wanted } } });
        Failure::new(Code::NotFound, format!("Secret {secret_name} has no {key}"))
            .at(&place)
            .hint(format!(
                "kubectl patch kafkauser {name} -n {} --type=merge -p '{patch}'",
                session.namespace
            ))
    })?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_key_and_its_form() {
        for (format, name, form) in [
            (Format::Properties, "client.properties", SecretFormat::Java),
            (
                Format::Librdkafka,
                "librdkafka.properties",
                SecretFormat::Librdkafka,
            ),
            (
                Format::Spring,
                "application.properties",
                SecretFormat::Spring,
            ),
            (Format::Env, "client.env", SecretFormat::Env),
        ] {
            assert!(format.is_config());
            assert_eq!((key(format), needs(format)), (name, Some(form)));
        }
        assert!(!Format::Json.is_config() && needs(Format::Json).is_none());
    }
}
