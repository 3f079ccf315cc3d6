// Starts Swagger UI with the OpenAPI document embedded in this page.
const { document: api, hint, token } = JSON.parse(document.getElementById("data").textContent);
api.info.description += "\n\n" + hint;
// Uses the origin of this page: localhost and 127.0.0.1 are different origins, and the page may call only its own.
api.servers = [{ url: new URL(".", location).href.replace(/\/$/, "") }];
// Folds the rejections: there are many, and a reader first looks for what a call returns.
const foldRejections = () => ({
  wrapComponents: {
    response: (Response, { React }) => (props) => {
      const [isOpen, setOpen] = React.useState(props.code < 400);
      if (isOpen) return React.createElement(Response, props);
      const { code, response } = props;
      const label = response.get("description");
      return React.createElement("tr", { className: "response folded" },
        React.createElement("td", { className: "response-col_status" }, code),
        React.createElement("td", { className: "response-col_description" },
          React.createElement("button", { type: "button", className: "unfold", "aria-label": `Show ${code} ${label}`, onClick: () => setOpen(true) }, label)));
    },
  },
});
// A link inside the button that opens an operation confuses screen readers. The button sets the fragment, too.
const withoutNestedLinks = () => ({
  wrapComponents: { DeepLink: (_, { React }) => ({ text }) => React.createElement("span", null, text) },
});
// Swagger UI gives these lists no names.
const nameLists = () => {
  for (const list of document.querySelectorAll(".examples-select-element, tr[data-param-name] select")) {
    list.setAttribute("aria-label", list.closest("tr[data-param-name]")?.dataset.paramName ?? "Example");
  }
};
new MutationObserver(nameLists).observe(document.getElementById("ui"), { childList: true, subtree: true });
// There is only one server, so there is nothing to choose.
const withoutServers = () => ({ wrapComponents: { ServersContainer: () => () => null } });
const ui = SwaggerUIBundle({
  dom_id: "#ui",
  spec: api,
  deepLinking: true,
  validatorUrl: null,
  // The schemas are folded: the operations come first.
  defaultModelsExpandDepth: 0,
  plugins: [foldRejections, withoutNestedLinks, withoutServers],
  // MCP requires both media types, but Swagger UI sends only the selected one. This also changes the curl command shown.
  requestInterceptor(request) {
    if (request.method === "POST") request.headers.accept = "application/json, text/event-stream";
    return request;
  },
  onComplete() {
    if (token) ui.preauthorizeApiKey("clerk", token);
  },
});
