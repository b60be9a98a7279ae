//! The `OpenAPI` document as a page that needs no script.

use askama::Template;
use utoipa::openapi::content::Content;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr};

/// The page at `/redoc`.
#[derive(Template)]
#[template(path = "reference.html")]
pub(crate) struct Reference {
    title: String,
    version: String,
    /// Paragraphs.
    about: Vec<String>,
    operations: Vec<Described>,
    types: Vec<Kind>,
}

/// One operation.
struct Described {
    id: String,
    method: &'static str,
    path: String,
    summary: String,
    /// Name of the body's type, or nothing.
    body: String,
    body_is_schema: bool,
    /// Name and text of an example of it.
    request: Option<Sample>,
    answers: Vec<Answer>,
    response: Option<Sample>,
}

/// One status of an operation.
struct Answer {
    status: String,
    description: String,
    kind: String,
    is_schema: bool,
}

/// An example, as it goes over the wire.
struct Sample {
    name: String,
    text: String,
}

/// One type of the document.
struct Kind {
    name: String,
    description: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    required: bool,
    description: String,
}

impl Reference {
    /// The page of a document.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let mut operations = Vec::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in [("GET", &item.get), ("POST", &item.post)] {
                if let Some(operation) = operation {
                    operations.push(Described::of(method, path, operation));
                }
            }
        }
        let schemas = document.components.iter().flat_map(|components| &components.schemas);
        let about = words(document.info.description.as_deref());
        Self {
            title: document.info.title.clone(),
            version: document.info.version.clone(),
            about: about.split("\n\n").map(str::to_owned).collect(),
            operations,
            types: schemas.map(|(name, schema)| Kind::of(name, schema)).collect(),
        }
    }
}

impl Described {
    fn of(method: &'static str, path: &str, operation: &Operation) -> Self {
        let body = operation.request_body.as_ref().and_then(|body| match body {
            RefOr::T(body) => body.content.values().next(),
            RefOr::Ref(_) => None,
        });
        let mut answers = Vec::new();
        let mut response = None;
        for (status, answer) in &operation.responses.responses {
            let RefOr::T(answer) = answer else { continue };
            let content = answer.content.values().next();
            let schema = content.and_then(plain).and_then(|content| content.schema.as_ref());
            if status == "200" {
                response = content.and_then(sample);
            }
            answers.push(Answer {
                status: status.clone(),
                description: words(Some(&answer.description)),
                kind: schema.map(kind).unwrap_or_default(),
                is_schema: matches!(schema, Some(RefOr::Ref(_))),
            });
        }
        Self {
            id: operation.operation_id.clone().unwrap_or_default(),
            method,
            path: path.to_owned(),
            summary: words(operation.summary.as_deref()).trim_end_matches('.').to_owned(),
            body_is_schema: body
                .and_then(plain)
                .is_some_and(|content| matches!(content.schema, Some(RefOr::Ref(_)))),
            body: body
                .and_then(plain)
                .and_then(|content| content.schema.as_ref())
                .map(kind)
                .unwrap_or_default(),
            request: body.and_then(sample),
            answers,
            response,
        }
    }
}

fn plain(content: &RefOr<Content>) -> Option<&Content> {
    match content {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    }
}

/// The one example of a content, or the first of several.
fn sample(content: &RefOr<Content>) -> Option<Sample> {
    let content = plain(content)?;
    let (name, value) = match (&content.example, content.examples.values().next()) {
        (Some(value), _) => ("", value),
        (None, Some(RefOr::T(example))) => (example.summary.as_str(), example.value.as_ref()?),
        _ => return None,
    };
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).ok()?,
    };
    Some(Sample { name: name.to_lowercase(), text })
}

impl Kind {
    fn of(name: &str, schema: &RefOr<Schema>) -> Self {
        let (description, fields) = match schema {
            RefOr::T(Schema::Object(object)) => {
                let fields = object.properties.iter().map(|(field, schema)| Field {
                    name: field.clone(),
                    kind: kind(schema),
                    required: object.required.contains(field),
                    description: description(schema),
                });
                (object.description.clone(), fields.collect())
            }
            RefOr::T(Schema::AnyOf(any)) => {
                let fields = any.items.iter().map(|item| Field {
                    name: String::new(),
                    kind: kind(item),
                    required: false,
                    description: description(item),
                });
                (any.description.clone(), fields.collect())
            }
            other => (Some(kind(other)), Vec::new()),
        };
        Self { name: name.to_owned(), description: words(description.as_deref()), fields }
    }
}

fn description(schema: &RefOr<Schema>) -> String {
    let text = match schema {
        RefOr::T(Schema::Object(object)) => object.description.as_deref(),
        RefOr::T(Schema::Array(array)) => array.description.as_deref(),
        RefOr::T(Schema::AnyOf(any)) => any.description.as_deref(),
        RefOr::T(Schema::OneOf(one)) => one.description.as_deref(),
        _ => None,
    };
    words(text)
}

/// A text of the document without the marks around its code.
fn words(text: Option<&str>) -> String {
    text.unwrap_or_default().replace('`', "")
}

/// A type in a few words.
fn kind(schema: &RefOr<Schema>) -> String {
    use utoipa::openapi::schema::ArrayItems;
    match schema {
        RefOr::Ref(Ref { ref_location, .. }) => {
            ref_location.rsplit('/').next().unwrap_or_default().to_owned()
        }
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(items) => format!("list of {}", kind(items)),
            ArrayItems::False => "list".to_owned(),
        },
        RefOr::T(Schema::Object(object)) => match &object.additional_properties {
            Some(values) if object.properties.is_empty() => match &**values {
                AdditionalProperties::RefOr(values) => format!("map to {}", kind(values)),
                AdditionalProperties::FreeForm(_) => "object".to_owned(),
            },
            _ => types(&object.schema_type),
        },
        RefOr::T(Schema::OneOf(one)) => one.items.iter().map(kind).collect::<Vec<_>>().join(" or "),
        RefOr::T(Schema::AnyOf(any)) => any.items.iter().map(kind).collect::<Vec<_>>().join(" or "),
        RefOr::T(_) => "any".to_owned(),
    }
}

fn types(schema_type: &SchemaType) -> String {
    let word = |kind: &Type| match kind {
        Type::Object => "object",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::Array => "list",
        Type::Null => "null",
    };
    match schema_type {
        SchemaType::Type(kind) => word(kind).to_owned(),
        SchemaType::Array(kinds) => kinds.iter().map(word).collect::<Vec<_>>().join(" or "),
        SchemaType::AnyValue => "any".to_owned(),
    }
}
