# checks.vm: a virtual machine that runs the server with the module, against a local Clerk. Needs KVM.
{
  pkgs,
  module,
  conformance,
}:
let
  inherit (pkgs) lib;
in
pkgs.testers.runNixOSTest {
  name = "clerk-mcp";

  nodes.machine = {
    imports = [ module ];

    environment.systemPackages = [
      pkgs.curl
      pkgs.jq
    ];

    # It generates its secret key at start and writes it into a file that only root can read.
    systemd.services.clerk = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "${lib.getExe conformance} clerk --port 4000 --json";
        StandardOutput = "truncate:/run/clerk.json";
        UMask = "0077";
      };
    };
    systemd.services.clerk-key = {
      requiredBy = [ "clerk-mcp.service" ];
      before = [ "clerk-mcp.service" ];
      after = [ "clerk.service" ];
      path = [ pkgs.jq ];
      serviceConfig = {
        Type = "oneshot";
        UMask = "0077";
        TimeoutStartSec = 60;
      };
      script = ''
        until jq --exit-status --raw-output .environment.CLERK_SECRET_KEY /run/clerk.json > /run/clerk-key; do
          sleep 0.2
        done
      '';
    };

    services.clerk-mcp = {
      enable = true;
      openFirewall = true;
      host = "0.0.0.0";
      secretKeyFile = "/run/clerk-key";
      domain = "127.0.0.1:4000";
      frontendApiUrl = "http://127.0.0.1:4000";
      apiUrl = "http://127.0.0.1:4000/backend";
      baseUrl = "http://127.0.0.1:3001";
      adminAddress = "127.0.0.1:9090";
    };
  };

  testScript = ''
    import json

    call = (
        "curl --silent --show-error http://127.0.0.1:3001/mcp"
        " --header 'Content-Type: application/json'"
        " --header 'Accept: application/json, text/event-stream'"
        " --data '" + json.dumps({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "greet", "arguments": {"name": "Ada"}},
        }) + "'"
    )

    machine.wait_for_unit("clerk-mcp.service")

    with subtest("the started unit is ready"):
        machine.succeed("curl --fail --silent http://127.0.0.1:3001/readyz")
        machine.succeed("curl --fail --silent http://127.0.0.1:9090/metrics | grep clerk_mcp")

    with subtest("requests need a valid token"):
        status = machine.succeed(call + " --output /dev/null --write-out '%{http_code}'")
        assert status == "401", status
        token = machine.succeed(
            "curl --fail --silent http://127.0.0.1:4000/admin/tokens --json '"
            + json.dumps({"kind": "session_token", "user": "Ada"})
            + "' | jq --raw-output .token"
        ).strip()
        answer = machine.succeed(call + f" --header 'Authorization: Bearer {token}'")
        assert "Hello, Ada!" in answer, answer

    with subtest("the key appears only in its file"):
        machine.fail("systemctl show clerk-mcp.service | grep --quiet sk_test_")
        machine.fail("tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID clerk-mcp)/environ | grep --quiet sk_test_")
        machine.fail("journalctl --unit clerk-mcp.service | grep --quiet sk_test_")

    with subtest("the service is unprivileged and sandboxed"):
        machine.fail("ps -o user= -p $(systemctl show --value -p MainPID clerk-mcp) | grep --quiet root")
        machine.succeed("systemd-analyze security --threshold=20 clerk-mcp.service")

    with subtest("the service restarts after a crash"):
        machine.succeed("kill -KILL $(systemctl show --value -p MainPID clerk-mcp)")
        machine.wait_until_succeeds("curl --fail --silent http://127.0.0.1:3001/readyz", timeout=60)

    with subtest("the service stops cleanly"):
        machine.succeed("systemctl stop clerk-mcp.service")
        result = machine.succeed("systemctl show --value -p Result clerk-mcp.service").strip()
        assert result == "success", result
  '';
}
