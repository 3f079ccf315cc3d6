//! The tools of the server.

use clerk_mcp::{
    context,
    mcp::{Json, ToolError},
};
use rmcp::{ServerHandler, handler::server::wrapper::Parameters, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone)]
pub struct Tools;

/// The arguments of `place-order`. Clients show the comments of the fields to the model.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderInput {
    /// What to order.
    #[schemars(length(min = 1), example = &"tea")]
    item: String,
    /// How many, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    quantity: u32,
}

/// The result of `place-order`.
#[derive(Serialize, JsonSchema)]
pub struct Order {
    /// The Clerk user ID of the customer.
    customer: String,
    item: String,
    quantity: u32,
}

#[tool_router]
impl Tools {
    #[tool(name = "place-order", description = "Places an order for the caller.")]
    async fn place_order(
        &self,
        Parameters(OrderInput { item, quantity }): Parameters<OrderInput>,
    ) -> Result<Json<Order>, ToolError> {
        // The schema tells the model the limits; the tool enforces them.
        if !(1..=100).contains(&quantity) {
            return Err(ToolError::failed(
                "The argument `quantity` must be from 1 to 100.",
            ));
        }
        let session = context::get_session()?;
        Ok(Json(Order {
            customer: session.require_user()?.to_string(),
            item,
            quantity,
        }))
    }
}

#[tool_handler(name = "my-server", version = "0.1.0")]
impl ServerHandler for Tools {}
