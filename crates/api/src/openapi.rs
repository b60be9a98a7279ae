//! The `OpenAPI` document: paths and answers from the handlers and their types, the transaction from
//! the model's features, and examples that are answers of the model itself.

use fraud_core::{FEATURES, ModelArtifact, schema};
use serde_json::{Value, json};
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::{Example as ApiExample, ExampleBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, Schema,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{Number, OpenApi as _, PartialSchema, ToSchema};

use crate::examples::{self, Example};
use crate::request;
use crate::routes::{batch, explain, health, metrics, model, predict};
use crate::security;
use crate::state::State;

/// The name of the way to show a key.
const KEY: &str = "key";

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Fraud scoring", description = include_str!("../templates/openapi.md")),
    paths(
        predict::predict,
        batch::batch,
        explain::explain,
        model::model,
        health::health,
        health::live,
        health::ready,
        metrics::metrics
    ),
    components(schemas(AnyNumber, NotNegative)),
    tags(
        (name = "Scoring", description = "Transactions in, probabilities out."),
        (name = "Model", description = "What is answering."),
        (name = "Operations", description = "For orchestrators and Prometheus.")
    )
)]
struct Described;

/// The document for the model that `state` serves, whose answers are the examples.
///
/// # Errors
///
/// If an example cannot be written as JSON.
pub(crate) fn document(state: &State) -> serde_json::Result<OpenApi> {
    let mut document = Described::openapi();
    if state.security.has_admin_port() {
        document.paths.paths.retain(|path, _| path != metrics::PATH);
    }
    if state.security.asks_for_keys() {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme(KEY, scheme);
        document.security = Some(vec![SecurityRequirement::new(KEY, [""; 0])]);
    }
    let artifact = &state.served().model.artifact;
    let examples = examples::of(artifact);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            guarded(path, operation);
            match path.as_str() {
                predict::PATH | explain::PATH => scoring(operation, &examples)?,
                batch::PATH => batches(operation, artifact, &examples)?,
                _ => {}
            }
            complete(operation);
            if let Some(content) = content(operation, "200") {
                match path.as_str() {
                    predict::PATH => answers(content, &examples, |example| {
                        serde_json::to_value(predict::Answer::of(
                            artifact.decide(&example.transaction),
                            artifact.threshold,
                        ))
                    })?,
                    explain::PATH => answers(content, &examples, |example| {
                        serde_json::to_value(explain::Answer::of(artifact, &example.transaction))
                    })?,
                    model::PATH => {
                        content.example =
                            Some(serde_json::to_value(model::Card::of(&state.served()))?);
                    }
                    metrics::PATH => content.example = Some(state.render().into()),
                    health::PATH => content.example = Some(json!({"status": "ok"})),
                    health::LIVE => content.example = Some(json!({"status": "live"})),
                    health::READY => content.example = Some(json!({"status": "ready"})),
                    _ => {}
                }
            }
            if path == health::READY
                && let Some(content) = content(operation, "503")
            {
                content.example = Some(json!({"status": "stopping"}));
            }
        }
    }
    Ok(document)
}

/// What is described, without examples.
#[cfg(test)]
pub(crate) fn paths() -> impl Iterator<Item = (String, PathItem)> {
    Described::openapi().paths.paths.into_iter()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

fn content<'a>(operation: &'a mut Operation, status: &str) -> Option<&'a mut Content> {
    match operation.responses.responses.get_mut(status)? {
        RefOr::T(response) => match response.content.values_mut().next()? {
            RefOr::T(content) => Some(content),
            RefOr::Ref(_) => None,
        },
        RefOr::Ref(_) => None,
    }
}

/// Adds what the flags for keys, rates and slow callers may answer on this path.
fn guarded(path: &str, operation: &mut Operation) {
    if !security::is_open(path) {
        refusal(
            operation,
            "401",
            "With `--api-keys`: no key, or one that is not known",
            "A key is needed: Authorization: Bearer KEY, or X-Api-Key: KEY",
        );
        header(operation, "401", "WWW-Authenticate", "`Bearer`");
        refusal(
            operation,
            "429",
            "With `--rate-limit`: the caller has asked too often",
            "Too many requests; the next is welcome in 1 s",
        );
        header(operation, "429", "Retry-After", "Seconds until the next is welcome");
    }
    // A batch that comes too slowly is cut.
    if operation.request_body.is_some() && path != batch::PATH {
        let slow = "The body was not there in time (`--body-timeout`)";
        refusal(operation, "408", slow, "The body was not there within 10 s");
    }
}

/// Adds what every operation may answer, and the headers of every answer.
fn complete(operation: &mut Operation) {
    refusal(
        operation,
        "405",
        "Another method on this path; `Allow` names the right one",
        "Method Not Allowed",
    );
    header(operation, "405", "Allow", "The method that is right");
    let fault = "A fault of the service. The log has it under the `X-Request-Id`";
    let fault = ResponseBuilder::new().description(fault).build();
    operation.responses.responses.insert("500".to_owned(), fault.into());
    let statuses: Vec<String> = operation.responses.responses.keys().cloned().collect();
    for status in statuses {
        let id = "The caller's name for the request, or one made up here";
        header(operation, &status, "X-Request-Id", id);
        let version = "Version of the model that answered, or its digest";
        header(operation, &status, "X-Model-Version", version);
    }
}

/// Adds a header to the answers with a status.
fn header(operation: &mut Operation, status: &str, name: &str, description: &str) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
        let header = HeaderBuilder::new().schema(Some(text())).description(Some(description));
        response.headers.insert(name.to_owned(), header.build().into());
    }
}

fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// Adds an answer with one sentence.
fn refusal(operation: &mut Operation, status: &str, description: &str, detail: &str) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Detail")))
        .example(Some(json!({ "detail": detail })))
        .build();
    let response = ResponseBuilder::new().description(description).content(JSON, content).build();
    operation.responses.responses.insert(status.to_owned(), response.into());
}

/// Adds the examples to the body that is asked for, what refuses a body, and the way from one
/// scoring operation to the other.
fn scoring(operation: &mut Operation, examples: &[Example]) -> serde_json::Result<()> {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                answers(content, examples, |example| Ok(example.body()))?;
            }
        }
    }
    if let (Some(content), Some(example)) = (content(operation, "422"), examples.first()) {
        content.example = Some(refused(example)?);
    }
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        let other = if operation.operation_id.as_deref() == Some("predict") {
            "explain"
        } else {
            "predict"
        };
        let link = Link::builder()
            .operation_id(other)
            .request_body(Some("$request.body"))
            .description("The same transaction there")
            .build();
        response.links.insert(other.to_owned(), link.into());
    }
    Ok(())
}

/// Adds an example to a batch of JSON, and the two other forms of a batch, with what they are
/// answered with.
fn batches(
    operation: &mut Operation,
    artifact: &ModelArtifact,
    examples: &[Example],
) -> serde_json::Result<()> {
    let (mut rows, mut results) = (Vec::new(), Vec::new());
    let (mut lines, mut line_results) = (String::new(), String::new());
    let mut table = FEATURES.join(",") + "\n";
    let mut table_results = "fraud_probability,fraud_prediction,threshold_used,error\n".to_owned();
    for example in examples {
        let decision = artifact.decide(&example.transaction);
        let answer = predict::Answer::of(decision, artifact.threshold);
        rows.push(example.body());
        results.push(serde_json::to_value(&answer)?);
        lines += &(example.text() + "\n");
        line_results += &(serde_json::to_string(&answer)? + "\n");
        let values: Vec<_> = example.transaction.values().iter().map(f64::to_string).collect();
        table += &(values.join(",") + "\n");
        let (probability, threshold) = (answer.fraud_probability, answer.threshold_used);
        let result = format!("{probability:?},{},{threshold:?},\n", answer.fraud_prediction);
        table_results += &result;
    }
    let form = |what: &str, pattern: Option<String>, example: String| {
        let schema =
            ObjectBuilder::new().schema_type(Type::String).pattern(pattern).description(Some(what));
        ContentBuilder::new().schema(Some(schema)).example(Some(example.into())).build()
    };
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        if let Some(RefOr::T(content)) = body.content.get_mut(JSON) {
            content.example = Some(rows.into());
        }
        let mut form_of_lines = form("One transaction a line, each as for `/predict`", None, lines);
        // No text is refused as a whole, so that there is no type that could be the wrong one.
        if let Some(RefOr::T(Schema::Object(schema))) = &mut form_of_lines.schema {
            schema.schema_type = SchemaType::AnyValue;
        }
        body.content.insert(LINES.to_owned(), form_of_lines.into());
        let what = "A header with the 30 names, then one transaction a line. Any order of columns, \
                    others among them, and fields in quotes are taken too";
        let pattern =
            format!("^{}\\n(([^,\"\\r\\n]+,){{29}}[^,\"\\r\\n]+\\n)*$", FEATURES.join(","));
        body.content.insert(CSV.to_owned(), form(what, Some(pattern), table).into());
    }
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        if let Some(RefOr::T(content)) = response.content.get_mut(JSON) {
            let result = ["Prediction", "HTTPValidationError", "Detail"]
                .into_iter()
                .fold(AnyOfBuilder::new(), |any, name| any.item(Ref::from_schema_name(name)));
            content.schema = Some(ArrayBuilder::new().items(result).into());
            content.example = Some(results.into());
        }
        let what = "One result a line: a prediction, or the detail of a refusal";
        response.content.insert(LINES.to_owned(), form(what, None, line_results).into());
        let what = "One result a line; `error` is the detail of a refusal, as JSON";
        response.content.insert(CSV.to_owned(), form(what, None, table_results).into());
    }
    let busy = "Too many batches are under way";
    refusal(operation, "503", "Too many batches are under way (`--batches`)", busy);
    header(operation, "503", "Retry-After", "Seconds until the next is welcome");
    Ok(())
}

/// The report on `example` with two bad fields.
fn refused(example: &Example) -> serde_json::Result<Value> {
    let mut body = example.body();
    body["Time"] = json!(-1);
    body["V1"] = json!("many");
    let text = body.to_string();
    match request::transaction(None, text.as_bytes()) {
        Err(request::Rejection::Invalid(invalid)) => serde_json::to_value(invalid.report()),
        _ => Ok(Value::Null),
    }
}

/// Puts one example into `content` for each of `examples`.
fn answers(
    content: &mut Content,
    examples: &[Example],
    value: impl Fn(&Example) -> serde_json::Result<Value>,
) -> serde_json::Result<()> {
    for example in examples {
        let named: ApiExample = ExampleBuilder::new()
            .summary(example.name)
            .description(example.description)
            .value(Some(value(example)?))
            .build();
        content.examples.insert(example.id.to_owned(), named.into());
    }
    Ok(())
}

/// The transaction that `/predict` and `/explain` take.
pub(crate) struct Transaction;

impl ToSchema for Transaction {
    fn name() -> std::borrow::Cow<'static, str> {
        "Transaction".into()
    }
}

impl PartialSchema for Transaction {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new()
            .description(Some(
                "The 30 features. Fields with other names are ignored; of two fields with the same \
                 name the last counts.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        for (index, name) in FEATURES.into_iter().enumerate() {
            let kind = if schema::is_non_negative(index) { "NotNegative" } else { "AnyNumber" };
            object = object.property(name, Ref::from_schema_name(kind)).required(name);
        }
        object.into()
    }
}

/// Any finite number.
struct AnyNumber;
/// A number from 0 up.
struct NotNegative;

impl ToSchema for AnyNumber {}
impl ToSchema for NotNegative {}

impl PartialSchema for AnyNumber {
    fn schema() -> RefOr<Schema> {
        number("Any finite number.", None, "[+-]?")
    }
}

impl PartialSchema for NotNegative {
    fn schema() -> RefOr<Schema> {
        number("A number from 0 up.", Some(0.0), "\\+?")
    }
}

/// A number as pydantic's lax mode takes it, from `minimum` up, with `sign` before its digits in a
/// string.
fn number(what: &str, minimum: Option<f64>, sign: &str) -> RefOr<Schema> {
    // No maximum: the largest whole number that rounds to a finite one cannot be written as f64.
    let number = ObjectBuilder::new()
        .schema_type(Type::Number)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
        .minimum(minimum.map(Number::Float));
    // Exponents end at 99 here so that whatever matches is finite.
    let pattern = format!(
        "^[ \\t\\r\\n]*{sign}([0-9]{{1,200}}\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]{{1,2}})?[ \\t\\r\\n]*$"
    );
    let text =
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(
            "The number as text. Python's other spellings of a finite number, such as `1_000` and \
             `1e200`, are taken too.",
        ));
    let truth = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("`true` is 1, `false` is 0."));
    AnyOfBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some(what))
        .item(number)
        .item(text)
        .item(truth)
        .into()
}

/// The measures of a model card: numbers, but for what they are at each threshold.
pub(crate) fn measures() -> Schema {
    let number = |what: &str| {
        let types = SchemaType::from_iter([Type::Number, Type::Null]);
        ObjectBuilder::new().schema_type(types).description(Some(what))
    };
    let count = |what: &str| {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(Number::UInt(0)))
            .description(Some(what))
    };
    let at = ObjectBuilder::new()
        .property("tn", count("Legitimate rows below the threshold"))
        .property("fp", count("Legitimate rows at or above it"))
        .property("fn", count("Frauds below it"))
        .property("tp", count("Frauds at or above it"))
        .property("precision", number("tp / (tp + fp)"))
        .property("recall", number("tp / (tp + fn)"))
        .property("f1", number("2 tp / (2 tp + fp + fn)"))
        .property("specificity", number("tn / (tn + fp)"));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some("On its validation rows; null where a class is missing."))
        .property("rows", count("Rows measured"))
        .property("frauds", count("Frauds among them"))
        .property("average_precision", number("Area under the precision–recall curve"))
        .property("average_precision_lower_95", number("Lower end of its 95 % interval"))
        .property("average_precision_upper_95", number("Upper end of its 95 % interval"))
        .property("roc_auc", number("Area under the ROC curve"))
        .property("log_loss", number("Mean negative log-likelihood, nats a row"))
        .property("brier_score", number("Mean squared error of the probability"))
        .property(
            "expected_calibration_error_10_uniform_bins",
            number("Calibration error over ten bins of equal width"),
        )
        .property("recall_at_fpr_0_01", number("Recall where 1 % of the legitimate rows alert"))
        .property("recall_at_fpr_0_001", number("Recall where 0.1 % of them alert"))
        .property("precision_at_top_100", number("Share of frauds in the top 100"))
        .property("recall_at_top_100", number("Share of all frauds in the top 100"))
        .property(
            "at_threshold",
            ObjectBuilder::new()
                .description(Some("Decisions at each threshold; the key is the threshold."))
                .additional_properties(Some(RefOr::T(Schema::from(at.build())))),
        )
        .into()
}
