# packages.container: the server and what it needs, in layers, for `docker load` and `podman load`. There is no
# package manager and no folder of an operating system in it, no shell but that of the health command, and nothing runs
# as root.
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
    # A number, for there is no /etc/passwd that could give it a name.
    User = "65532:65532";
    Env = [
      # A container's loopback is nobody else's.
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
