# checks.module: compares the module's units with units.json, and checks that the module rejects invalid
# options. The comparison happens during evaluation, so `nix flake check --no-build` runs it too. To accept a
# change:
#
#   nix eval --json .#checks.x86_64-linux.module.units | jq --sort-keys . > .nix/tests/units.json
{ pkgs, module }:
let
  inherit (pkgs) lib;
  secretFile = import ../secret-file.nix;

  # Fixed store paths, because real ones change with every change of the code.
  stored = name: "/nix/store/00000000000000000000000000000000-${name}";
  package = {
    type = "derivation";
    name = "clerk-mcp";
    outPath = stored "clerk-mcp";
    meta.mainProgram = "clerk-mcp";
  };
  evaluate = import ./evaluate.nix {
    inherit lib module;
    pkgs.writeShellScript = name: _: stored name;
  };

  minimal = {
    enable = true;
    inherit package;
    secretKeyFile = "/run/secrets/clerk";
    domain = "clerk.example.com";
    baseUrl = "https://mcp.example.com";
  };
  everything = minimal // {
    openFirewall = true;
    readyTimeout = 120;
    secretKeyFile = "/run/secrets/100% clerk";
    publishableKey = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
    baseUrl = "https://mcp.example.com/a%20b";
    host = "::";
    port = 443;
    apiUrl = "https://api.example.com";
    frontendApiUrl = "https://clerk.example.com";
    issuer = "https://clerk.example.com";
    caFile = "/etc/ssl/private-ca.pem";
    jwtKey = ''
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo
      4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0/IzW7yWR7QkrmBL7jTKEn5u
      +qKhbwKfBstIs+bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyeh
      kd3qqGElvW/VDL5AaWTg0nLVkjRo9z+40RQzuVaE8AkAFmxZzow3x+VJYKdjykkJ
      0iT9wCS0DRTXu269V264Vf/3jvredZiKRkgwlL9xNAwxXFg0x/XFw005UWVRIkdg
      cKWTjpBP2dPwVZ4WWC+9aGVd+Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbc
      mwIDAQAB
      -----END PUBLIC KEY-----
    '';
    acceptedTokens = [
      "oauth_token"
      "m2m_token"
    ];
    audience = "if-present";
    sessionAudience = "off";
    acceptedAudiences = [ "convex" ];
    authorizedParties = [
      "https://app.example.com"
      "https://www.example.com"
    ];
    clockSkew = 10;
    scopes = [ "profile" ];
    requiredScopes = [
      "email"
      "profile"
    ];
    docsUrl = "https://example.com/docs/mcp";
    allowedOrigins = [ "https://app.example.com" ];
    audit = false;
    trustForwarded = true;
    maxBody = "1 MiB";
    requestTimeout = 10;
    maxConnections = 100;
    idleTimeout = 700;
    shutdownGrace = 5;
    adminAddress = "127.0.0.1:9090";
    logFormat = "pretty";
    log = "debug";
  };

  unitOf =
    definitions:
    let
      config = evaluate definitions;
      broken = builtins.filter (x: !x.assertion) config.assertions;
    in
    if broken != [ ] then
      throw (builtins.head broken).message
    else
      {
        service = config.systemd.services.clerk-mcp;
        openPorts = config.networking.firewall.allowedTCPPorts;
        inherit (config) warnings;
      };

  units = {
    minimal = unitOf minimal;
    everything = unitOf everything;
    unreachable = (unitOf (minimal // { openFirewall = true; })).warnings;
    # The error messages of secretKeyFile for each kind of value.
    secretKeyFile = builtins.mapAttrs (_: secretFile.fault) {
      right = "/run/secrets/clerk";
      key = "sk_test_0000000000000000000000000000000000000000000";
      keyInText = "CLERK_SECRET_KEY=sk_live_0000000000000000000000000000000000000000000";
      relative = "secrets/clerk";
      inStore = stored "key";
      fromStore = "${pkgs.writeText "key" "not a key"}";
      unquoted = ./units.json;
      number = 1;
    };
  };

  rejected = {
    "a key" = minimal // {
      secretKeyFile = "sk_test_0000000000000000000000000000000000000000000";
    };
    "a secret in the store" = minimal // {
      secretKeyFile = stored "key";
    };
    "no secret key" = builtins.removeAttrs minimal [ "secretKeyFile" ];
    "no URL" = builtins.removeAttrs minimal [ "baseUrl" ];
    "neither domain nor publishable key" = builtins.removeAttrs minimal [ "domain" ];
    "a secret key instead of a publishable key" = minimal // {
      publishableKey = "sk_test_0000000000000000000000000000000000000000000";
    };
    "a private key instead of a public key" = minimal // {
      jwtKey = "-----BEGIN PRIVATE KEY-----";
    };
    "a port as text" = minimal // {
      port = "3001";
    };
    "a port above 65535" = minimal // {
      port = 65536;
    };
    "a list as text" = minimal // {
      scopes = "profile,email";
    };
    "two items in one string" = minimal // {
      scopes = [ "profile,email" ];
    };
    "an unknown kind of token" = minimal // {
      acceptedTokens = [ "id_token" ];
    };
    "a duration as text" = minimal // {
      requestTimeout = "30s";
    };
    "a size with an unknown unit" = minimal // {
      maxBody = "4 potatoes";
    };
    "an unknown option" = minimal // {
      secretKey = "sk_test_0000000000000000000000000000000000000000000";
    };
  };
  evaluates =
    definitions: (builtins.tryEval (builtins.deepSeq (unitOf definitions) true)).success;
  accepted = builtins.filter (name: evaluates rejected.${name}) (builtins.attrNames rejected);

  result =
    # Both sides go through JSON, because a Nix string carries a context that text from a file lacks.
    if builtins.fromJSON (builtins.toJSON units) != builtins.fromJSON (builtins.readFile ./units.json) then
      throw "The units of the NixOS module differ from .nix/tests/units.json (.nix/tests/default.nix says how to accept a change): ${builtins.toJSON units}"
    else if accepted != [ ] then
      throw "The NixOS module accepts invalid options: ${lib.concatStringsSep "; " accepted}"
    else
      "touch $out";
in
pkgs.runCommand "clerk-mcp-module" { passthru = { inherit units evaluate minimal; }; } result
