# packages.container-conformance: a layered image of the conformance suite. Without arguments it runs the local
# Clerk; with the arguments of `clerk-mcp-conformance run`, it tests a running server.
{ pkgs, package }:
let
  inherit (pkgs) lib;
in
pkgs.dockerTools.buildLayeredImage {
  name = "clerk-mcp-conformance";
  tag = package.version;
  config = {
    Entrypoint = [ (lib.getExe package) ];
    Cmd = [
      "clerk"
      # The container's loopback is not reachable from outside the container.
      "--host"
      "0.0.0.0"
      "--port"
      "4567"
    ];
    # A numeric id, because the image has no /etc/passwd to look up a name.
    User = "65532:65532";
    Env = [ "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt" ];
    ExposedPorts."4567/tcp" = { };
    StopSignal = "SIGTERM";
    Labels = {
      "org.opencontainers.image.title" = "clerk-mcp-conformance";
      "org.opencontainers.image.description" = package.meta.description;
      "org.opencontainers.image.version" = package.version;
      "org.opencontainers.image.licenses" = "MIT OR Apache-2.0";
    };
  };
}
