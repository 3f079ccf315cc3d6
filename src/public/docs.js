// Swagger UI with the document that stands in the page.
const { document: api, hint, token } = JSON.parse(document.getElementById("data").textContent);
api.info.description += "\n\n" + hint;
// The server by the name that it was opened by: to a browser, localhost and 127.0.0.1 are two, and this page may call its own alone.
api.servers = [{ url: new URL(".", location).href.replace(/\/$/, "") }];
const ui = SwaggerUIBundle({
  dom_id: "#ui",
  spec: api,
  deepLinking: true,
  validatorUrl: null,
  // Swagger UI asks for the one media type that is chosen, and MCP for both at once. The curl command is made of this too.
  requestInterceptor(request) {
    if (request.method === "POST") request.headers.accept = "application/json, text/event-stream";
    return request;
  },
  onComplete() {
    if (token) ui.preauthorizeApiKey("clerk", token);
  },
});
