//! From a good question to a hostile one: the same number always gives the same input, so that a failure can be repeated.
//!
//! Owns what is done to a review. Whether the answer is right is `main`'s to say.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use crate::corpus::Seed;

/// The largest body that is read.
pub const LIMIT: usize = 8 * 1024 * 1024;

/// How a body comes.
pub enum Delivery {
    Whole,
    Pieces(usize),
    /// It breaks off.
    Broken,
    /// It goes on for ever without another byte.
    Endless,
    /// It is announced to be so long.
    Announced(String),
}

/// What is sent.
pub struct Input {
    pub path: &'static str,
    pub query: String,
    pub content_type: Option<Vec<u8>>,
    pub body: Vec<u8>,
    pub delivery: Delivery,
    /// It is JSON still, of some shape.
    pub is_json: bool,
}

/// Input number `n`.
pub fn input(seeds: &[Seed], n: u64) -> Input {
    let mut rng = StdRng::seed_from_u64(n);
    let seed = seeds.choose(&mut rng).unwrap();
    let path = match rng.random_ratio(1, 20) {
        true => ["/validate", "/mutate", "/inject", "/evict"][rng.random_range(0..4)],
        false => seed.path,
    };
    let mut review = seed.review.clone();
    for _ in 0..rng.random_range(0..5) {
        change(&mut review, seeds, &mut rng);
    }
    let mut body = review.to_string().into_bytes();
    let is_json = !rng.random_ratio(1, 3);
    if !is_json {
        for _ in 0..rng.random_range(1..4) {
            damage(&mut body, &mut rng);
        }
    }
    Input {
        path,
        query: query(&mut rng),
        content_type: content_type(&mut rng),
        delivery: delivery(&body, &mut rng),
        body,
        is_json,
    }
}

fn query(rng: &mut StdRng) -> String {
    let timeouts = [
        "5s",
        "10s",
        "1m30s",
        "1ms",
        "0s",
        "-1s",
        "1e9s",
        "infs",
        "NaNs",
        "9999999999999999999h",
        "s",
        ".",
        "1.1.1s",
        "%00",
        "5",
    ];
    match rng.random_range(0..8) {
        0 => format!("timeout={}", timeouts.choose(rng).unwrap()),
        1 => format!("{}&timeout=3s", "a=b&".repeat(rng.random_range(0..2000))),
        2 => "timeout".repeat(rng.random_range(0..9)),
        _ => "timeout=5s".to_owned(),
    }
}

fn content_type(rng: &mut StdRng) -> Option<Vec<u8>> {
    if !rng.random_ratio(1, 30) {
        return Some(b"application/json".to_vec());
    }
    let wrong: [&[u8]; 7] = [
        b"text/plain",
        b"",
        b"application/jsonx",
        b";",
        b"application/json\xff",
        b"multipart/form-data; boundary=x",
        b"APPLICATION/JSON ; charset=utf-16",
    ];
    wrong
        .choose(rng)
        .filter(|_| rng.random_bool(0.9))
        .map(|t| t.to_vec())
}

fn delivery(body: &[u8], rng: &mut StdRng) -> Delivery {
    match rng.random_range(0..60) {
        0 => Delivery::Broken,
        1 => Delivery::Endless,
        2 => {
            let lies = [0, body.len() / 2, LIMIT, LIMIT + 1, usize::MAX];
            let mut text = lies.choose(rng).unwrap().to_string();
            if rng.random_bool(0.2) {
                text = "-1".to_owned();
            }
            Delivery::Announced(text)
        }
        3..10 => Delivery::Pieces(rng.random_range(1..5000)),
        _ => Delivery::Whole,
    }
}

/// Some place in `value`, any depth.
fn place<'a>(value: &'a mut Value, rng: &mut StdRng) -> &'a mut Value {
    let children = match &*value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if children == 0 || rng.random_ratio(1, 8) {
        return value;
    }
    let n = rng.random_range(0..children);
    let child = match value {
        Value::Array(items) => items.get_mut(n),
        Value::Object(fields) => fields.values_mut().nth(n),
        _ => None,
    };
    place(child.unwrap(), rng)
}

fn change(review: &mut Value, seeds: &[Seed], rng: &mut StdRng) {
    // What is asked about is where most of it is looked at.
    let root = match rng.random_range(0..10) {
        0 => "",
        1 => "/request",
        2 => "/request/oldObject",
        _ => "/request/object",
    };
    let root = if review.pointer(root).is_some() {
        root
    } else {
        ""
    };
    let Some(root) = review.pointer_mut(root) else {
        return;
    };
    let at = place(root, rng);
    match rng.random_range(0..10) {
        0..4 => *at = nasty(rng),
        4 => {
            let mut other = seeds.choose(rng).unwrap().review.clone();
            *at = place(&mut other, rng).clone();
        }
        5 => fields(at, rng),
        6 => items(at, rng),
        _ => text(at, rng),
    }
}

/// A field that is not there, one too many, or one of nearly the right name.
fn fields(at: &mut Value, rng: &mut StdRng) {
    let Value::Object(fields) = at else {
        *at = json!({"metadata": {"annotations": {"kafka.sdm.dev/inject": nasty(rng)}}, "spec": nasty(rng)});
        return;
    };
    let keys: Vec<String> = fields.keys().cloned().collect();
    let Some(key) = keys.choose(rng).cloned() else {
        fields.insert(words(rng), nasty(rng));
        return;
    };
    match rng.random_range(0..5) {
        0 => {
            fields.remove(&key);
        }
        1 => {
            let value = fields.remove(&key).unwrap_or_default();
            fields.insert(key[..key.len() / 2].to_owned() + "x", value);
        }
        2 => {
            fields.insert("deletionTimestamp".to_owned(), nasty(rng));
        }
        3 => *fields = many(rng),
        _ => {
            fields.insert(words(rng), nasty(rng));
        }
    }
}

fn many(rng: &mut StdRng) -> Map<String, Value> {
    let count = rng.random_range(0..3000);
    let value = nasty_small(rng);
    (0..count)
        .map(|n| (format!("key-{n}"), value.clone()))
        .collect()
}

/// A list with many of the same, none, or in another order.
fn items(at: &mut Value, rng: &mut StdRng) {
    if let Value::Array(items) = at {
        match rng.random_range(0..3) {
            0 => items.clear(),
            1 => items.reverse(),
            _ => {
                let size = Value::Array(items.clone()).to_string().len();
                let times = rng.random_range(1..=(200_000 / size.max(1)).clamp(1, 500));
                *items = (0..times).flat_map(|_| items.clone()).collect();
            }
        }
    } else {
        let times = rng.random_range(0..40);
        *at = Value::Array(vec![at.take(); times]);
    }
}

/// A text with something in the middle, or many times over.
fn text(at: &mut Value, rng: &mut StdRng) {
    let Value::String(text) = at else {
        *at = nasty_small(rng);
        return;
    };
    let middle = text.floor_char_boundary(rng.random_range(0..=text.len()));
    match rng.random_range(0..4) {
        0 => text.truncate(middle),
        1 if text.len() < 4096 => *text = text.repeat(rng.random_range(0..30)),
        2 => {
            let rest = text.split_off(middle);
            *text = rest + text;
        }
        _ => text.insert_str(middle, &words(rng)),
    }
}

/// What a name, a number, a duration, a pattern or a rule must not be made of.
fn words(rng: &mut StdRng) -> String {
    const WORDS: &[&str] = &[
        "",
        " ",
        "\0",
        "\n",
        "..",
        "/",
        "../../secrets/x",
        "?watch=true",
        "%2e%2e",
        "\u{202e}",
        "e\u{301}",
        "🦀",
        "\u{feff}",
        "{namespace}",
        "{",
        "}",
        "*",
        "**",
        "[",
        "a-",
        "-a",
        "A",
        "-1",
        "0",
        "1e999",
        "9999999999999999999999",
        "-9223372036854775808",
        "NaN",
        "1h1h",
        "999999999999h",
        "1Ki",
        "1e9Gi",
        "-5Ti",
        "1.5.2",
        "4.3.1",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/99",
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "User:*",
        "User:",
        "system:masters",
        "(",
        ")",
        "((((((((((((((((((((((((((((((",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        "----------------",
        "? 1 : ",
        " && ",
        " || true",
        " == ",
        ".all(x, ",
        ".map(x, x)",
        ".exists(x, x == x)",
        ".matches('(a*)*b')",
        "object",
        "object.spec",
        "oldObject",
        "request",
        "cluster",
        "'",
        "\"",
        "\"\"\"",
        "r'",
        "b'\\x00'",
        "\\u{110000}",
        "\\",
        "//",
        "1/0",
        "5 % 0",
        "int('x')",
        "string(object)",
        "[1,2][9]",
        "{'a': 1}.b",
        "-9223372036854775808 - 1",
        "size(",
        "duration('1h')",
        "timestamp('x')",
        "has(",
        "dyn(",
        "kafka.sdm.dev/inject",
        "super.users",
        "ssl.keystore.location",
        "retention.ms",
    ];
    let word = WORDS.choose(rng).copied().unwrap_or_default();
    match rng.random_range(0..12) {
        0 => word.repeat(rng.random_range(1..200)),
        1 => word.to_owned() + WORDS.choose(rng).copied().unwrap_or_default(),
        _ => word.to_owned(),
    }
}

fn nasty_small(rng: &mut StdRng) -> Value {
    match rng.random_range(0..14) {
        0 => Value::Null,
        1 => json!(rng.random_bool(0.5)),
        2 => json!(i64::MAX),
        3 => json!(i64::MIN),
        4 => json!(u64::MAX),
        5 => json!(i32::MAX),
        6 => json!(i64::from(i32::MIN)),
        7 => json!(rng.random_range(-3..300)),
        8 => json!(f64::MAX),
        9 => json!(-0.0),
        10 => json!([]),
        11 => json!({}),
        _ => Value::String(words(rng)),
    }
}

fn nasty(rng: &mut StdRng) -> Value {
    match rng.random_range(0..40) {
        0 => {
            let letters = ["x", "é", "\0", "a.", "*", "('", "1"];
            let size = 1 << rng.random_range(8..18);
            Value::String(letters.choose(rng).unwrap().repeat(size))
        }
        1 => {
            let depth = rng.random_range(2..600);
            let list = rng.random_bool(0.5);
            (0..depth).fold(nasty_small(rng), |inner, _| {
                if list {
                    json!([inner])
                } else {
                    json!({"spec": inner})
                }
            })
        }
        2 => Value::Array((0..rng.random_range(0..2000)).map(|n| json!(n)).collect()),
        3 => Value::Object(many(rng)),
        _ => nasty_small(rng),
    }
}

/// Bytes are lost, added, doubled or turned over.
fn damage(body: &mut Vec<u8>, rng: &mut StdRng) {
    const PIECES: &[&[u8]] = &[
        b"\xff",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\u0000",
        b"\0",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"1e999999",
        b"-",
        b"00",
        b"0x1",
        b"NaN",
        b"nul",
        b"/*",
        b"\"spec\":1,",
        b"\"uid\":\"other\",",
        b"\"object\":{},",
        b"\"request\":{},",
        b"\"kind\":{},",
        b"\"metadata\":null,",
        b"\xef\xbb\xbf",
    ];
    let at = rng.random_range(0..=body.len());
    let end = (at + (1 << rng.random_range(0..10))).min(body.len());
    match rng.random_range(0..8) {
        0 => body.truncate(at),
        1 => {
            body.drain(at..end);
        }
        2 => {
            let piece = body[at..end].to_vec();
            body.splice(at..at, piece);
        }
        3 => {
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        4 => {
            let open = if rng.random_bool(0.5) { "[" } else { "{\"a\":" };
            body.splice(
                at..at,
                open.repeat(rng.random_range(1..20_000)).into_bytes(),
            );
        }
        // In place of a value, so that what follows is read as well.
        5 => {
            let number = "9".repeat(rng.random_range(1..5000)).into_bytes();
            let colon = body[at..]
                .iter()
                .position(|b| *b == b':')
                .map_or(at, |n| at + n + 1);
            body.splice(colon..colon, number);
        }
        6 => {
            let quote = body[at..]
                .windows(2)
                .position(|w| w == b",\"")
                .map_or(at, |n| at + n + 1);
            body.splice(quote..quote, PIECES.choose(rng).unwrap().iter().copied());
        }
        _ => {
            body.splice(at..at, PIECES.choose(rng).unwrap().iter().copied());
        }
    }
    // Now and then more than is read.
    if rng.random_ratio(1, 3000) {
        body.resize(LIMIT + rng.random_range(0..2), b' ');
    }
}
