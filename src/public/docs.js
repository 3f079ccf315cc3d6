// Starts Swagger UI with the OpenAPI document embedded in this page.
const { document: api, hint, token } = JSON.parse(document.getElementById("data").textContent);
api.info.description += "\n\n" + hint;
// Uses the origin of this page: localhost and 127.0.0.1 are different origins, and the page may call only its own.
api.servers = [{ url: new URL(".", location).href.replace(/\/$/, "") }];
const ui = SwaggerUIBundle({
  dom_id: "#ui",
  spec: api,
  deepLinking: true,
  validatorUrl: null,
  // MCP requires both media types, but Swagger UI sends only the selected one. This also changes the curl command shown.
  requestInterceptor(request) {
    if (request.method === "POST") request.headers.accept = "application/json, text/event-stream";
    return request;
  },
  onComplete() {
    if (token) ui.preauthorizeApiKey("clerk", token);
  },
});
