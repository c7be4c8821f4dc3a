//! The flags that work at any depth after `kubectl kafka`, and how their values are read.
//!
//! What a flag means is decided where it is used: connection flags in `session`, output flags in `output`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Flags of every command. kubectl refuses flags before the plugin's name, so they all work after it.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// The namespace; the context's own, else `default`
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Target"
    )]
    pub namespace: Option<String>,
    /// All namespaces (where a command lists)
    #[arg(
        short = 'A',
        long,
        global = true,
        conflicts_with = "namespace",
        help_heading = "Target"
    )]
    pub all_namespaces: bool,
    /// The KafkaCluster, as NAME or NAMESPACE/NAME; may be left out where the namespace has exactly one,
    /// or its objects refer to one alone
    #[arg(
        short = 'c',
        long,
        global = true,
        env = "KAFKA_CLUSTER",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Target"
    )]
    pub kafka_cluster: Option<String>,

    /// Output format
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    pub output: Option<Format>,
    /// Leave out the header line of tables
    #[arg(long, global = true, help_heading = "Output")]
    pub no_headers: bool,
    /// When to use colour; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub color: Color,
    /// Say more: 1 shows causes, 6 requests to the API server, 8 the client's own log
    #[arg(
        short, long, global = true, value_name = "LEVEL", num_args = 0..=1, require_equals = true,
        default_missing_value = "1", default_value = "0", hide_default_value = true, help_heading = "Output"
    )]
    pub verbose: u8,
    /// No progress and no notes on standard error
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,

    /// Path of the kubeconfig file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig context
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub context: Option<String>,
    /// The kubeconfig cluster (a Kubernetes cluster; see -c for Kafka's)
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub cluster: Option<String>,
    /// The kubeconfig user
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub user: Option<String>,
    /// Address of the API server
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub server: Option<String>,
    /// Bearer token for the API server
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub token: Option<String>,
    /// Do not verify the API server's certificate (Kafka's is always verified)
    #[arg(
        long,
        global = true,
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub insecure_skip_tls_verify: bool,
    /// The name to expect in the API server's certificate
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub tls_server_name: Option<String>,
    /// Act as this user
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub as_user: Option<String>,
    /// Act as a member of this group; may be repeated
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub as_group: Vec<String>,
    /// How long a request to the API server may take; 0 means no limit
    #[arg(
        long, global = true, value_name = "DURATION", value_parser = duration, default_value = "30s",
        help_heading = "Connection", hide_short_help = true
    )]
    pub request_timeout: Duration,
}

/// Output formats.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For people with wide screens.
    Wide,
    /// For programs.
    Json,
    /// For programs and people.
    Yaml,
    /// Names alone, `type/name`.
    Name,
    /// A client configuration for Java; of users only.
    #[value(hide = true)]
    Properties,
    /// A client configuration for librdkafka; of users only.
    #[value(hide = true)]
    Librdkafka,
    /// A client configuration for Spring Boot; of users only.
    #[value(hide = true)]
    Spring,
    /// A client configuration as environment variables; of users only.
    #[value(hide = true)]
    Env,
}

impl Format {
    /// Whether it is a client configuration, which holds a credential.
    pub fn is_config(self) -> bool {
        matches!(
            self,
            Self::Properties | Self::Librdkafka | Self::Spring | Self::Env
        )
    }
}

/// When to use colour.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// What `--dry-run` can be.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// Do it.
    #[default]
    None,
    /// Print what would be sent, send nothing.
    Client,
    /// Have it checked, change nothing.
    Server,
}

/// Reads `90s`, `5m`, `1h30m`, `500ms` or a bare number of seconds.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write 90s, 5m, 1h30m or 500ms");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u32 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ms" => Duration::from_millis(1),
                "s" => Duration::from_secs(1),
                "m" => Duration::from_secs(60),
                "h" => Duration::from_secs(3600),
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    Ok(total)
}

/// Reads `key=value`; the value may be empty and may hold further `=`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form key=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("5m", 300.0),
            ("1h30m", 5400.0),
            ("500ms", 0.5),
            ("7", 7.0),
            ("0", 0.0),
        ] {
            assert_eq!(duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "m", "5x", "5m3", "-1s", "99999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pairs_keep_what_follows_the_first_equals_sign() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert_eq!(pair("a=").unwrap(), ("a".to_owned(), String::new()));
        assert!(pair("a").is_err() && pair("=a").is_err());
    }
}
