//! Why a body is no transaction, and how `FastAPI` with pydantic 2 puts it into words.

use fraud_core::FEATURES;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::{EMPTY_OBJECT, Json};

/// Why a body is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Rejection<'a> {
    /// No text in UTF-8, or nested too deeply to be read: 400.
    Unreadable,
    /// Text, but no transaction: 422 with a report.
    Invalid(Invalid<'a>),
}

/// What is wrong with a body that could be decoded.
#[derive(Debug, PartialEq)]
pub(crate) enum Invalid<'a> {
    /// Nothing in it.
    NoBody,
    /// No JSON.
    Syntax {
        /// Where, in characters from 0.
        position: usize,
        /// What Python's json module would have expected.
        message: &'static str,
    },
    /// JSON, but a list, a number, …
    NotAnObject(Json<'a>),
    /// An object with bad or missing fields.
    Fields {
        /// The object.
        body: Json<'a>,
        /// Position of the feature and its problem, in the order of [`FEATURES`]; never empty.
        problems: Vec<(usize, Problem)>,
    },
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    Missing,
    Type,
    Parsing,
    NotFinite,
    Negative,
}

impl<'a> From<Invalid<'a>> for Rejection<'a> {
    fn from(invalid: Invalid<'a>) -> Self {
        Self::Invalid(invalid)
    }
}

/// The body of a 422.
#[derive(Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub(crate) struct Report<'a> {
    detail: Vec<Error<'a>>,
}

/// One thing that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = ValidationError)]
struct Error<'a> {
    r#type: &'static str,
    /// `body`, then the field or the position in the text.
    loc: Vec<Location>,
    msg: &'static str,
    /// What was found there.
    #[schema(value_type = serde_json::Value)]
    input: &'a Json<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Context>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Location {
    Name(&'static str),
    Position(usize),
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Context {
    Error(&'static str),
    Ge(f64),
}

impl Invalid<'_> {
    /// One entry for the body, or one for each bad field.
    pub(crate) fn report(&self) -> Report<'_> {
        let body = || vec![Location::Name("body")];
        let detail = match self {
            Self::NoBody => vec![Error {
                r#type: "missing",
                loc: body(),
                msg: "Field required",
                input: &Json::Null,
                ctx: None,
            }],
            Self::Syntax { position, message } => vec![Error {
                r#type: "json_invalid",
                loc: vec![Location::Name("body"), Location::Position(*position)],
                msg: "JSON decode error",
                input: &EMPTY_OBJECT,
                ctx: Some(Context::Error(message)),
            }],
            Self::NotAnObject(input) => vec![Error {
                r#type: "model_attributes_type",
                loc: body(),
                msg: "Input should be a valid dictionary or object to extract fields from",
                input,
                ctx: None,
            }],
            Self::Fields { body, problems } => {
                problems.iter().map(|&(index, problem)| problem.of_field(index, body)).collect()
            }
        };
        Report { detail }
    }
}

impl Problem {
    fn of_field<'a>(self, index: usize, body: &'a Json<'a>) -> Error<'a> {
        let (r#type, msg) = match self {
            Self::Missing => ("missing", "Field required"),
            Self::Type => ("float_type", "Input should be a valid number"),
            Self::Parsing => (
                "float_parsing",
                "Input should be a valid number, unable to parse string as a number",
            ),
            Self::NotFinite => ("finite_number", "Input should be a finite number"),
            Self::Negative => ("greater_than_equal", "Input should be greater than or equal to 0"),
        };
        let name = FEATURES[index];
        Error {
            r#type,
            loc: vec![Location::Name("body"), Location::Name(name)],
            msg,
            // What is missing has no input of its own: pydantic shows the object that lacks it.
            input: body.get(name).unwrap_or(body),
            ctx: (self == Self::Negative).then_some(Context::Ge(0.0)),
        }
    }
}
