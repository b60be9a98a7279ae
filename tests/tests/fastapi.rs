//! The same 2,000 requests, good, odd and broken, to the Python service and to ours: same status, same
//! JSON. What differs is listed in `crates/api/README.md`, and here.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use fraud_core::FEATURES;
use fraud_tests::{Api, python, root};
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;

/// `tests/python/fastapi_service.py`, ended with the test.
struct Python {
    process: Child,
    url: String,
}

impl Python {
    fn start() -> Option<Self> {
        let mut process = Command::new(python()?)
            .arg(root().join("tests/python/fastapi_service.py"))
            .env("MODEL", root().join("models/production"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "the Python service does not start");
        Some(Self { process, url: url.trim().to_owned() })
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[derive(Debug, Clone)]
struct Request {
    method: &'static str,
    path: &'static str,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    /// Where we differ knowingly: the statuses there and here.
    differs: Option<(u16, u16)>,
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    allow: Option<String>,
    /// Without the service's own address.
    location: Option<String>,
    body: Value,
}

fn send(url: &str, request: &Request) -> Answer {
    let mut builder =
        ureq::http::Request::builder().method(request.method).uri(format!("{url}{}", request.path));
    if let Some(content_type) = request.content_type {
        builder = builder.header("content-type", content_type);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .build()
        .into();
    let mut answer = if request.method == "POST" || !request.body.is_empty() {
        agent.run(builder.body(&request.body[..]).unwrap())
    } else {
        agent.run(builder.body(()).unwrap())
    }
    .unwrap_or_else(|error| panic!("{error}: {request:?}"));
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    let allow = answer.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
    let location = answer.headers().get("location");
    let location = location.map(|value| value.to_str().unwrap().replace(url, ""));
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: answer.status().as_u16(), allow, location, body }
}

struct Generator(Xoshiro256PlusPlus);

impl Generator {
    fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    fn one_of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A number as a client may write it.
    fn number(&mut self, name: &str) -> String {
        let value: f64 = self.0.random_range(-5.0..5.0);
        let value = if matches!(name, "Time" | "Amount") { value.abs() * 100.0 } else { value };
        match self.below(12) {
            0 => format!("{}", value.trunc()),
            1 => format!("{value:e}"),
            2 => format!("\"{value}\""),
            3 => format!("\" {value} \""),
            4 => format!("{value:.3}"),
            5 => format!("{}e-2", value.trunc()),
            6 => self.one_of(&["true", "false"]).to_owned(),
            7 => format!("\"{:e}\"", value.abs()),
            _ => format!("{value}"),
        }
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        FEATURES.iter().map(|name| ((*name).to_owned(), self.number(name))).collect()
    }

    fn object(&mut self, fields: &[(String, String)]) -> Vec<u8> {
        let (colon, comma) =
            (self.one_of(&[":", ": ", " :\n"]), self.one_of(&[",", ", ", ",\r\n\t"]));
        let parts: Vec<String> =
            fields.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
        format!("{{{}}}", parts.join(comma)).into_bytes()
    }

    fn good(&mut self) -> Vec<u8> {
        let mut fields = self.fields();
        if self.below(3) == 0 {
            for _ in 0..30 {
                let (a, b) = (self.below(30), self.below(30));
                fields.swap(a, b);
            }
        }
        if self.below(4) == 0 {
            let value = self.one_of(&["null", "[1,{\"a\":[]}]", "\"x\\n\\u00e9\"", "{}", "-0.0"]);
            fields.insert(self.below(31), ("extra".to_owned(), value.to_owned()));
        }
        if self.below(6) == 0 {
            let name = FEATURES[self.below(30)].to_owned();
            fields.push((name.clone(), self.number(&name)));
        }
        self.object(&fields)
    }

    /// One to three fields are no numbers, or missing.
    fn bad_fields(&mut self) -> Vec<u8> {
        const ODD: [&str; 30] = [
            "null",
            "\"\"",
            "\"abc\"",
            "[]",
            "[1.5]",
            "{}",
            "{\"a\":1}",
            "\"1,5\"",
            "\"1_000\"",
            "\"1__0\"",
            "\"_1\"",
            "\"0x10\"",
            "\"1e3\"",
            "\"+2\"",
            "\"--2\"",
            "\" \"",
            "\"true\"",
            "\"٣\"",
            "\"1.5f\"",
            "\"\\u0031\"",
            "\"½\"",
            "\"1\\u0000\"",
            "12345678901234567890",
            "123456789012345678901234567890.5",
            "-0",
            "1E5",
            "0.1e1",
            "\"nan\"",
            "\"-inf\"",
            "-7",
        ];
        let mut fields = self.fields();
        for _ in 0..=self.below(3) {
            let place = self.below(fields.len());
            match self.below(4) {
                0 => drop(fields.remove(place)),
                _ => self.one_of(&ODD).clone_into(&mut fields[place].1),
            }
        }
        self.object(&fields)
    }

    /// Text that is no JSON, or no object.
    fn broken(&mut self) -> Vec<u8> {
        const ODD: [&str; 28] = [
            "",
            " ",
            "null",
            "[]",
            "[1]",
            "5",
            "\"text\"",
            "true",
            "{}",
            "{",
            "}",
            "{\"Time\"",
            "{\"Time\":}",
            "{'Time': 1}",
            "{\"Time\": 1,}",
            "{\"Time\": 01}",
            "{\"Time\": .5}",
            "{\"Time\": +1}",
            "{\"Time\": 1} x",
            "{Time: 1}",
            "// c\n{}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":tru}",
            "[1,]",
            "{\"a\" 1}",
            "{,}",
            "\u{feff}{}",
        ];
        let whole = self.good();
        match self.below(5) {
            0 => ODD[self.below(ODD.len())].as_bytes().to_vec(),
            4 => {
                let mut text = whole;
                text.insert(self.below(text.len()), 0xff);
                text
            }
            1 => whole[..self.below(whole.len())].to_vec(),
            2 => {
                let mut text = whole;
                let place = self.below(text.len());
                text[place] = b"{}[]\",:0x. "[self.below(11)];
                text
            }
            _ => {
                let mut text = whole;
                text.insert(self.below(text.len()), b"{}[]\",:0x. "[self.below(11)]);
                text
            }
        }
    }

    fn request(&mut self) -> Request {
        const JSON: Option<&str> = Some("application/json");
        let post = |body, content_type| Request {
            method: "POST",
            path: "/predict",
            content_type,
            body,
            differs: None,
        };
        match self.below(20) {
            0..8 => post(self.good(), JSON),
            8..14 => post(self.bad_fields(), JSON),
            14..17 => post(self.broken(), JSON),
            17 => {
                let kinds = [
                    "application/json; charset=utf-8",
                    "APPLICATION/JSON",
                    "application/vnd.api+json",
                    "text/plain",
                    "application/x-www-form-urlencoded",
                    "text/json",
                ];
                post(self.good(), Some(kinds[self.below(kinds.len())]))
            }
            18 => {
                let (method, path) = [
                    ("GET", "/predict"),
                    ("PUT", "/predict"),
                    ("DELETE", "/predict"),
                    ("PATCH", "/health"),
                    ("POST", "/health"),
                    ("POST", "/metrics"),
                    ("GET", "/health"),
                    ("GET", "/nothing"),
                    ("POST", "/predict/nothing"),
                    ("POST", "/predict/"),
                    ("GET", "/health/"),
                    ("GET", "/Health"),
                    ("OPTIONS", "/predict"),
                ][self.below(13)];
                Request { method, path, content_type: None, body: Vec::new(), differs: None }
            }
            _ => self.known_difference(),
        }
    }

    /// What the README lists.
    fn known_difference(&mut self) -> Request {
        let mut fields = self.fields();
        let (place, kind) = (self.below(30), self.below(4));
        let mut request = Request {
            method: "POST",
            path: "/predict",
            content_type: Some("application/json"),
            body: Vec::new(),
            differs: None,
        };
        match kind {
            0 => {
                request.content_type = None;
                request.differs = Some((422, 200));
            }
            1 => {
                self.one_of(&["1e999", "NaN", "Infinity", "-Infinity"])
                    .clone_into(&mut fields[place].1);
                request.differs = Some((500, 422));
            }
            2 => {
                "\"\\ud800\"".clone_into(&mut fields[place].1);
                request.differs = Some((500, 422));
            }
            _ => {
                request.path = "/predict%2F";
                request.differs = Some((307, 404));
            }
        }
        request.body = self.object(&fields);
        request
    }
}

#[test]
fn the_python_service_and_ours_answer_alike() {
    let Some(theirs) = Python::start() else { return };
    let ours = Api::start(&root().join("models/production"));
    let mut generator = Generator(Xoshiro256PlusPlus::seed_from_u64(2026));
    let (mut statuses, mut failures) = (std::collections::BTreeMap::<_, u32>::new(), Vec::new());
    for _ in 0..2_000 {
        let request = generator.request();
        let (there, here) = (send(&theirs.url, &request), send(ours.url(), &request));
        *statuses.entry((there.status, here.status)).or_default() += 1;
        let alike = match request.differs {
            Some(statuses) => (there.status, here.status) == statuses,
            None => there == here,
        };
        if !alike {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            failures.push(format!("{request:?}\n{body}\n  there: {there:?}\n  here:  {here:?}"));
        }
    }
    println!("(there, here): {statuses:?}");
    assert!(
        failures.is_empty(),
        "{} differ\n{}",
        failures.len(),
        failures[..failures.len().min(8)].join("\n")
    );
    assert!(
        statuses[&(200, 200)] > 700 && statuses[&(422, 422)] > 500 && statuses[&(400, 400)] > 10,
        "{statuses:?}"
    );
}
