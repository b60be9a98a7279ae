//! Downloads from a server on this machine, and all that can go wrong with them.

mod server;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fraud_core::{FEATURES, LABEL};
use sha2::{Digest, Sha256};

use self::server::{Answer, Server};
use super::*;

/// A folder to download to, and what is expected there.
struct Place {
    _folder: tempfile::TempDir,
    output: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("raw/creditcard.csv");
        Self { _folder: folder, output }
    }

    fn config(&self, server: &Server, rows: u64) -> FetchConfig {
        FetchConfig {
            url: server.url.clone(),
            output: self.output.clone(),
            force: false,
            sha256: None,
            rows: ExpectedRows::Exactly(rows),
            retries: 2,
            backoff: Duration::from_millis(1),
            timeout: Duration::from_secs(10),
        }
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.output.parent().unwrap()) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn assert_holds_only(&self, content: &[u8]) {
        assert_eq!(self.names(), ["creditcard.csv"]);
        assert!(fs::read(&self.output).unwrap() == content);
    }
}

fn table(rows: usize) -> Vec<u8> {
    let names: Vec<String> =
        FEATURES.into_iter().chain([LABEL]).map(|name| format!("\"{name}\"")).collect();
    let mut text = names.join(",") + "\n";
    for row in 0..rows {
        writeln!(text, "{row}{},\"0\"", ",-1.25".repeat(29)).unwrap();
    }
    text.into_bytes()
}

fn message(result: anyhow::Result<Fetched>) -> String {
    format!("{:#}", result.unwrap_err())
}

const TAG: &str = "ETag: \"one\"";

#[test]
fn a_whole_download_is_checked_and_named() {
    let table = table(100);
    let server = Server::start(vec![Answer::whole(&table).header(TAG)]);
    let place = Place::new();
    let digest = Sha256::digest(&table)
        .iter()
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"));
    let config =
        FetchConfig { sha256: Some(digest.parse().unwrap()), ..place.config(&server, 100) };
    let fetched = fetch(&config).unwrap();
    assert_eq!((fetched.rows, fetched.bytes), (100, table.len() as u64));
    assert_eq!(fetched.sha256.to_string(), digest);
    place.assert_holds_only(&table);
    let request = server.request();
    assert!(request.starts_with("get /creditcard.csv"), "{request}");
    assert!(!request.contains("\nrange:"), "{request}");
}

#[test]
fn a_broken_connection_is_resumed_with_range() {
    let table = table(3000);
    let server = Server::start(vec![
        Answer::whole(&table).header(TAG).cut(100_000),
        Answer::rest(&table, 100_000).header(TAG).cut(50_000),
        Answer::rest(&table, 150_000).header(TAG),
    ]);
    let place = Place::new();
    assert_eq!(fetch(&place.config(&server, 3000)).unwrap().rows, 3000);
    place.assert_holds_only(&table);
    server.request();
    let request = server.request();
    assert!(request.contains("\nrange: bytes=100000-"), "{request}");
    assert!(request.contains("\nif-range: \"one\""), "{request}");
    assert!(server.request().contains("\nrange: bytes=150000-"));
}

#[test]
fn the_next_command_goes_on_and_keeps_a_complete_part() {
    let table = table(1000);
    let dated = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT";
    let place = Place::new();
    // A weak tag may not be used for ranges, the date may.
    let weak = "ETag: W/\"one\"";
    let first = Answer::whole(&table).header(weak).header(dated).cut(5_000);
    let server = Server::start(vec![first, Answer::rest(&table, 5_000).header(weak).header(dated)]);
    let config = FetchConfig { retries: 0, ..place.config(&server, 1000) };
    let error = message(fetch(&config));
    assert!(error.contains("5000 bytes are kept in"), "{error}");
    assert!(error.contains(&format!("broke after 5000 of {} bytes", table.len())), "{error}");
    assert_eq!(place.names(), ["creditcard.csv.part", "creditcard.csv.part.json"]);
    fetch(&config).unwrap();
    server.request();
    assert!(server.request().contains("\nif-range: mon, 01 jan 2024 00:00:00 gmt"));
    place.assert_holds_only(&table);

    // A command that was killed between download and check.
    let part = place.output.with_file_name("creditcard.csv.part");
    fs::rename(&place.output, &part).unwrap();
    let length = table.len();
    let complete = Answer::new("416 Range Not Satisfiable", b"")
        .header(&format!("Content-Range: bytes */{length}"));
    let server = Server::start(vec![complete]);
    let digest = Sha256::digest(&server.url)
        .iter()
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"));
    let source = format!(r#"{{"url_sha256":"{digest}","validator":"\"one\""}}"#);
    fs::write(place.output.with_file_name("creditcard.csv.part.json"), source).unwrap();
    fetch(&place.config(&server, 1000)).unwrap();
    assert!(server.request().contains(&format!("\nrange: bytes={length}-")));
    place.assert_holds_only(&table);
}

#[test]
fn a_server_without_ranges_or_validators_starts_over() {
    let table = table(1000);
    for tag in [TAG, "X-Nothing: to go by"] {
        let server = Server::start(vec![
            Answer::whole(&table).header(tag).cut(5_000),
            Answer::whole(&table).header(tag),
        ]);
        let place = Place::new();
        fetch(&place.config(&server, 1000)).unwrap();
        place.assert_holds_only(&table);
        server.request();
        assert_eq!(server.request().contains("\nrange:"), tag == TAG);
    }
}

#[test]
fn two_versions_are_never_glued_together() {
    let (old, new) = (table(1000), table(2000));
    let changed = "ETag: \"two\"";
    // A server that heeds If-Range sends the new file; one that does not is seen through; and a range
    // beyond the end of the new file is no reason to give up.
    let beyond = Answer::new("416 Range Not Satisfiable", b"").header("Content-Range: bytes */7");
    for answers in [
        vec![Answer::whole(&new).header(changed)],
        vec![Answer::rest(&new, 5_000).header(changed), Answer::whole(&new).header(changed)],
        vec![Answer::rest(&new, 4_000).header(TAG), Answer::whole(&new).header(changed)],
        vec![beyond, Answer::whole(&new).header(changed)],
    ] {
        let mut all = vec![Answer::whole(&old).header(TAG).cut(5_000)];
        all.extend(answers);
        let server = Server::start(all);
        let place = Place::new();
        fetch(&place.config(&server, 2000)).unwrap();
        place.assert_holds_only(&new);
    }
}

#[test]
fn another_url_does_not_go_on_with_the_part_of_the_first() {
    let table = table(1000);
    let place = Place::new();
    let first = Server::start(vec![Answer::whole(&table).header(TAG).cut(5_000)]);
    fetch(&FetchConfig { retries: 0, ..place.config(&first, 1000) }).unwrap_err();
    let second = Server::start(vec![Answer::whole(&table).header(TAG)]);
    fetch(&place.config(&second, 1000)).unwrap();
    assert!(!second.request().contains("\nrange:"));
    place.assert_holds_only(&table);
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    let server = Server::start(vec![Answer::new("404 Not Found", b"no such file")]);
    let place = Place::new();
    let error = message(fetch(&place.config(&server, 1)));
    assert!(error.contains(&server.url), "{error}");
    assert!(error.contains("answers 404 Not Found, expected 200 OK"), "{error}");
    server.request();
    server.assert_no_more_requests();
    assert!(place.names().is_empty());
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let table = table(10);
    let server = Server::start(vec![
        Answer::new("503 Service Unavailable", b""),
        Answer::new("429 Too Many Requests", b"").header("Retry-After: 0"),
        Answer::whole(&table),
    ]);
    let place = Place::new();
    fetch(&place.config(&server, 10)).unwrap();
    place.assert_holds_only(&table);

    let server = Server::start((0..3).map(|_| Answer::new("502 Bad Gateway", b"")).collect());
    let config = FetchConfig { force: true, ..place.config(&server, 10) };
    let error = message(fetch(&config));
    assert!(error.contains("502 Bad Gateway"), "{error}");
    place.assert_holds_only(&table);
}

#[test]
fn a_silent_server_counts_as_a_broken_connection() {
    let table = table(100);
    let mut silent = Answer::whole(&table).header(TAG).cut(500);
    silent.silence = Duration::from_secs(5);
    let server = Server::start(vec![silent, Answer::rest(&table, 500).header(TAG)]);
    let place = Place::new();
    let timeout = Duration::from_millis(300);
    fetch(&FetchConfig { timeout, ..place.config(&server, 100) }).unwrap();
    place.assert_holds_only(&table);
}

#[test]
fn what_fails_a_check_leaves_the_old_file_and_nothing_else() {
    let good = table(10);
    let expected = "0".repeat(64);
    let short_row = [&good[..], b"1,2,3\n"].concat();
    for (body, sha256, rows, wanted) in [
        (&good[..], Some(expected.as_str()), 10, vec!["SHA-256 is", ", expected 0000"]),
        (&good[..], None, 284_807, vec!["it has 10 rows, expected 284807"]),
        (b"<!DOCTYPE html><html></html>", Some(&expected), 10, vec!["it is an HTML page"]),
        (b"", None, 10, vec!["it is empty"]),
        (b"a,b\n1,2\n", None, 1, vec!["its header lacks Time, V1, V2"]),
        (&short_row[..], None, 11, vec!["line 12 has 3 fields", "expected 31"]),
    ] {
        let server = Server::start(vec![Answer::whole(body).header(TAG)]);
        let place = Place::new();
        fs::create_dir_all(place.output.parent().unwrap()).unwrap();
        fs::write(&place.output, "old").unwrap();
        let sha256 = sha256.map(|digest| digest.parse().unwrap());
        let config = FetchConfig { sha256, force: true, ..place.config(&server, rows) };
        let error = message(fetch(&config));
        assert!(error.contains(&server.url), "{error}");
        for part in wanted {
            assert!(error.contains(part), "{error}");
        }
        place.assert_holds_only(b"old");
    }
}

#[test]
fn any_number_of_rows_but_none() {
    let place = Place::new();
    let server = Server::start(vec![Answer::whole(&table(0)), Answer::whole(&table(3))]);
    let config = FetchConfig { rows: ExpectedRows::Any, ..place.config(&server, 1) };
    assert!(message(fetch(&config)).contains("it has 0 rows, expected at least 1"));
    assert_eq!(fetch(&config).unwrap().rows, 3);
}

#[test]
fn an_existing_output_is_refused_before_anything_is_asked() {
    let server = Server::start(vec![Answer::whole(&table(1))]);
    let place = Place::new();
    fs::create_dir_all(place.output.parent().unwrap()).unwrap();
    fs::write(&place.output, "old").unwrap();
    let error = message(fetch(&place.config(&server, 1)));
    assert!(error.contains("is there already: expected a new name, or --force"), "{error}");
    server.assert_no_more_requests();
    place.assert_holds_only(b"old");

    fetch(&FetchConfig { force: true, ..place.config(&server, 1) }).unwrap();
    place.assert_holds_only(&table(1));

    let folder = place.output.parent().unwrap().to_owned();
    let error = message(fetch(&FetchConfig { output: folder, ..place.config(&server, 1) }));
    assert!(error.contains("it is a folder"), "{error}");
}

#[test]
fn only_one_download_writes_a_file() {
    let server = Server::start(Vec::new());
    let place = Place::new();
    let part = Part::open(&place.output).unwrap();
    let error = message(fetch(&place.config(&server, 1)));
    assert!(error.contains("is being written by another download"), "{error}");
    drop(part);
    assert!(place.names().is_empty());
}

#[test]
fn a_url_is_http_or_https() {
    let server = Server::start(Vec::new());
    let place = Place::new();
    for (url, wanted) in [
        ("ftp://example.org/creditcard.csv", "expected one that starts with https:// or http://"),
        ("creditcard.csv", "the URL \"creditcard.csv\" cannot be read"),
    ] {
        let config = FetchConfig { url: url.to_owned(), ..place.config(&server, 1) };
        let error = message(fetch(&config));
        assert!(error.contains(wanted), "{error}");
    }
    assert!(place.names().is_empty());
}

#[test]
fn passwords_and_queries_stay_out_of_errors_and_files() {
    let place = Place::new();
    let secret = |url: &str| url.replace("http://", "http://zoe:pass-word@") + "?signature=to-ken";
    let hidden = |text: &str| {
        for part in ["zoe", "pass-word", "signature", "to-ken"] {
            assert!(!text.contains(part), "{text}");
        }
    };
    let table = table(1000);
    let cut = Answer::whole(&table).header("ETag: \"one\"").cut(5_000);
    let rest = Answer::rest(&table, 5_000).header("ETag: \"one\"");
    let server = Server::start(vec![cut, Answer::new("403 Forbidden", b""), rest]);
    let url = secret(&server.url);
    let config = FetchConfig { url, retries: 0, ..place.config(&server, 2000) };
    hidden(&message(fetch(&config)));
    hidden(&fs::read_to_string(place.output.with_file_name("creditcard.csv.part.json")).unwrap());
    hidden(&message(fetch(&config)));
    let error = message(fetch(&config));
    assert!(error.contains(&format!("what came from {} is not", server.url)), "{error}");
    hidden(&error);
    assert!(server.request().contains("signature=to-ken"));
    for address in [
        "http://zoe:pass-word@127.0.0.1:1/a",
        "ftp://zoe:pass-word@host",
        "http://zoe:pass-word@host:port/a",
    ] {
        let url = format!("{address}?signature=to-ken");
        hidden(&message(fetch(&FetchConfig { url, ..config.clone() })));
    }
}

#[test]
fn content_ranges_are_read() {
    let range = |start, total| ContentRange { start, total };
    assert_eq!(ContentRange::parse("bytes 100-199/200"), range(Some(100), Some(200)));
    assert_eq!(ContentRange::parse("bytes 100-199/*"), range(Some(100), None));
    assert_eq!(ContentRange::parse("bytes */200"), range(None, Some(200)));
    assert_eq!(ContentRange::parse("pages 1-2/3"), range(None, None));
}
