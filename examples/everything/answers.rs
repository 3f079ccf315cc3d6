//! Tools that return each kind of content.

use rmcp::{
    model::{CallToolResult, ContentBlock, ResourceContents},
    tool, tool_router,
};

use crate::Everything;

#[tool_router(router = answers, vis = "pub(crate)")]
impl Everything {
    #[tool(name = "test_simple_text", description = "Returns text.")]
    async fn simple_text(&self) -> String {
        "This is a simple text response for testing.".to_owned()
    }

    #[tool(name = "test_image_content", description = "Returns an image.")]
    async fn image(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::image(RED_PIXEL, "image/png")])
    }

    #[tool(name = "test_audio_content", description = "Returns audio.")]
    async fn audio(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::audio(SILENCE, "audio/wav")])
    }

    #[tool(name = "test_embedded_resource", description = "Returns a resource.")]
    async fn embedded_resource(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::embedded_text(
            "test://embedded-resource",
            "This is an embedded resource content.",
        )])
    }

    #[tool(
        name = "test_multiple_content_types",
        description = "Returns text, an image and a resource."
    )]
    async fn multiple_content_types(&self) -> CallToolResult {
        let resource =
            ResourceContents::text(r#"{"test":"data","value":123}"#, "test://mixed-content-resource");
        CallToolResult::success(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(RED_PIXEL, "image/png"),
            ContentBlock::resource(resource.with_mime_type("application/json")),
        ])
    }

    #[tool(name = "test_error_handling", description = "Always fails.")]
    async fn error_handling(&self) -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text(
            "This tool intentionally returns an error for testing",
        )])
    }
}

/// A PNG with one red pixel.
pub(crate) const RED_PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
/// A WAV file without samples (mono, 8 bits, 8 kHz).
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
