//! [`JsonLines`]: the JSON format of the log.

use std::fmt;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{
    Serializer,
    ser::{Error as _, SerializeMap},
};
use tracing::{Event, Subscriber};
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, Writer},
    },
    registry::LookupSpan,
};

use crate::clock::{Clock, SystemClock};

/// The JSON format of `tracing-subscriber`, with a faster way to write the events of this crate.
///
/// `tracing-subscriber` passes each field to the line in many small pieces, and checks each piece for UTF-8. For
/// the audit event, that takes longer than the tool call itself. This type writes such a line at once. It leaves
/// events of other crates, and events inside a span, to the original format.
pub(crate) struct JsonLines(pub(crate) Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !event.metadata().target().starts_with("clerk_mcp") || context.lookup_current().is_some() {
            return self.0.format_event(context, writer, event);
        }
        let line = line(event).map_err(|_| fmt::Error)?;
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

fn line(event: &Event<'_>) -> serde_json::Result<Vec<u8>> {
    let mut time = String::with_capacity(32);
    TIMES
        .print_timestamp(&SystemClock.now(), &mut time)
        .map_err(serde_json::Error::custom)?;
    let mut line = Vec::with_capacity(512);
    let mut members = serde_json::Serializer::new(&mut line);
    let mut members = members.serialize_map(None)?;
    members.serialize_entry("timestamp", &time)?;
    members.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = SerdeMapVisitor::new(members);
    event.record(&mut fields);
    let mut members = fields.take_serializer()?;
    members.serialize_entry("target", event.metadata().target())?;
    members.end()?;
    line.push(b'\n');
    Ok(line)
}

/// Prints microseconds, as the original format does.
const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
