//! A span for each request that is sampled, exported over OTLP where a collector is named.
//!
//! Spans wait in a bounded queue for a thread of their own, which sends them in batches; when the queue
//! is full they are dropped. No request waits for the collector.

use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use anyhow::{Context as _, ensure};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
    TraceFlags, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, trace};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};

use crate::metrics::Series;
use crate::trace_context::{TraceId, TraceParent};

/// Where spans go, and how many.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// Base URL of an OpenTelemetry collector that takes OTLP over HTTP, such as
    /// <http://localhost:4318>; spans go to /v1/traces below it. Set it to see requests in your traces.
    /// The other variables of OpenTelemetry hold too: `OTEL_SERVICE_NAME`,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_…`.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Share of requests, 0 to 1, that are recorded when the caller's `traceparent` does not say
    /// whether they should be. Raise it where traffic is small.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE",
          default_value_t = SHARE, value_parser = share)]
    pub otlp_sample: f64,
}

/// One in a hundred: enough to see what is usual, and no burden at 60,000 requests a second.
const SHARE: f64 = 0.01;

impl Default for TraceArgs {
    fn default() -> Self {
        Self { otlp_endpoint: None, otlp_sample: SHARE }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Begins spans and has them exported.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Starts the export, if a collector is named. Whether it answers is seen at the first export, and
    /// is no reason not to serve.
    ///
    /// # Errors
    ///
    /// If the URL is none.
    pub(crate) fn start(args: &TraceArgs) -> anyhow::Result<Option<Self>> {
        let Some(base) = &args.otlp_endpoint else { return Ok(None) };
        ensure!(
            base.starts_with("http://") || base.starts_with("https://"),
            "--otlp-endpoint is {base:?}, expected a URL such as http://localhost:4318"
        );
        // The exporter's client has TLS without a provider of its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = format!("{}/v1/traces", base.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(&endpoint)
            .build()
            .with_context(|| format!("cannot export traces to --otlp-endpoint {base}"))?;
        let mut resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("fraud-api");
        }
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(args.otlp_sample)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("fraud-api");
        tracing::info!(endpoint, share = args.otlp_sample, "traces are exported");
        Ok(Some(Self { provider, tracer }))
    }

    /// Begins the span of a request, as a child of the caller's if there is one.
    pub(crate) fn begin(&self, series: Series, parent: Option<TraceParent>) -> RequestSpan {
        let context = parent.map_or_else(Context::new, |parent| {
            let flags = if parent.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
            let remote = SpanContext::new(
                trace::TraceId::from(parent.trace.0),
                SpanId::from(parent.span),
                flags,
                true,
                TraceState::NONE,
            );
            Context::new().with_remote_span_context(remote)
        });
        let name = format!("{} {}", series.method(), series.endpoint());
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now());
        RequestSpan(self.tracer.build_with_context(builder, &context))
    }

    /// Sends what waits, and ends the export. Blocks.
    pub(crate) fn finish(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!("the last spans may not have been exported: {error}");
        }
    }
}

/// The span of one request. It never holds a value of a transaction.
pub(crate) struct RequestSpan(Span);

impl RequestSpan {
    pub(crate) fn trace(&self) -> TraceId {
        TraceId(u128::from_be_bytes(self.0.span_context().trace_id().to_bytes()))
    }

    /// Says how the request was answered, and ends the span.
    pub(crate) fn end(
        mut self,
        series: Series,
        status: StatusCode,
        id: &HeaderValue,
        version: &HeaderValue,
    ) {
        if self.0.is_recording() {
            let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
            self.0.set_attributes([
                KeyValue::new("http.request.method", series.method()),
                KeyValue::new("http.route", series.endpoint()),
                KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
                KeyValue::new("http.request.header.x-request-id", text(id)),
                KeyValue::new("fraud.model.version", text(version)),
            ]);
            if status.is_server_error() {
                self.0.set_status(Status::error(status.to_string()));
            }
        }
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share() {
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["-0.1", "1.1", "nan", "often"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_collector_has_a_url() {
        let args = TraceArgs { otlp_endpoint: Some("localhost:4318".into()), ..Default::default() };
        let error = Traces::start(&args).err().unwrap().to_string();
        assert!(error.contains("http://localhost:4318"), "{error}");
        assert!(Traces::start(&TraceArgs::default()).unwrap().is_none());
    }
}
