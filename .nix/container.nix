# packages.container: a layered image of the server, for `docker load` and `podman load`. It contains only the
# server and its dependencies: no package manager, no operating system files, and no shell except the one that
# runs the health check. Nothing runs as root.
{ pkgs, package }:
let
  inherit (pkgs) lib;
in
pkgs.dockerTools.buildLayeredImage {
  name = "clerk-mcp";
  tag = package.version;
  config = {
    Entrypoint = [ (lib.getExe package) ];
    Cmd = [ "serve" ];
    # A numeric id, because the image has no /etc/passwd to look up a name.
    User = "65532:65532";
    Env = [
      # The container's loopback is not reachable from outside the container.
      "HOST=0.0.0.0"
      "PORT=3001"
      "LOG_FORMAT=json"
      "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"
    ];
    ExposedPorts."3001/tcp" = { };
    StopSignal = "SIGTERM";
    Healthcheck = {
      Test = [
        "CMD"
        "${import ./probe.nix pkgs}"
      ];
      # Nanoseconds.
      Interval = 10 * 1000000000;
      Timeout = 10 * 1000000000;
      StartPeriod = 30 * 1000000000;
      Retries = 3;
    };
    Labels = {
      "org.opencontainers.image.title" = "clerk-mcp";
      "org.opencontainers.image.description" = package.meta.description;
      "org.opencontainers.image.version" = package.version;
      "org.opencontainers.image.licenses" = "MIT OR Apache-2.0";
    };
  };
}
