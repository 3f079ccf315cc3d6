{
  description = "An MCP server that Clerk protects, a library to build your own, and a local Clerk to test against";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      manifest = lib.importTOML ./Cargo.toml;

      source =
        files:
        lib.fileset.toSource {
          root = ./.;
          fileset = lib.fileset.unions files;
        };
      # What the programs are made of, and nothing else: a change to the README or a test rebuilds nothing.
      code = [
        ./.askama.toml
        ./Cargo.toml
        ./Cargo.lock
        ./src
        ./conformance
      ];
      # What the checks read besides. One test compares the README's tables with the code.
      checked = code ++ [
        ./.clippy.toml
        ./.rustfmt.toml
        ./README.md
        ./fixtures
        ./tests
      ];

      common = {
        src = source code;
        inherit (manifest.workspace.package) version;
        cargoLock.lockFile = ./Cargo.lock;
        strictDeps = true;
      };

      meta = {
        license = with lib.licenses; [
          mit
          asl20
        ];
        platforms = systems;
      };

      packagesFor = pkgs: rec {
        # Tests run once, as a check; here they would compile everything a second time.
        clerk-mcp = pkgs.rustPlatform.buildRustPackage (
          common
          // {
            pname = "clerk-mcp";
            cargoBuildFlags = [
              "-p"
              "clerk-mcp"
            ];
            doCheck = false;
            meta = meta // {
              description = manifest.package.description;
              mainProgram = "clerk-mcp";
            };
          }
        );
        clerk-mcp-conformance = pkgs.rustPlatform.buildRustPackage (
          common
          // {
            pname = "clerk-mcp-conformance";
            cargoBuildFlags = [
              "-p"
              "clerk-mcp-conformance"
            ];
            doCheck = false;
            meta = meta // {
              description = "A local Clerk to test MCP servers against";
              mainProgram = "clerk-mcp-conformance";
            };
          }
        );
      };

      # An app of `package` with `arguments` before those of the command line.
      appOf =
        pkgs: name: package: arguments: description: {
          type = "app";
          program = lib.getExe (
            pkgs.writeShellScriptBin name ''exec ${lib.getExe package} ${arguments} "$@"''
          );
          meta.description = description;
        };
    in
    {
      packages = eachSystem (
        pkgs:
        let
          packages = packagesFor pkgs;
        in
        {
          default = packages.clerk-mcp;
          conformance = packages.clerk-mcp-conformance;
        }
      );

      apps = eachSystem (
        pkgs:
        let
          packages = packagesFor pkgs;
        in
        {
          default = appOf pkgs "clerk-mcp" packages.clerk-mcp "" "The server";
          demo = appOf pkgs "clerk-mcp-demo" packages.clerk-mcp "demo" "The server beside a local Clerk";
          conformance =
            appOf pkgs "clerk-mcp-conformance" packages.clerk-mcp-conformance ""
              "A local Clerk to test MCP servers against";
        }
      );

      checks = eachSystem (
        pkgs:
        let
          check =
            name: tools: command:
            pkgs.rustPlatform.buildRustPackage (
              common
              // {
                pname = "clerk-mcp-${name}";
                src = source checked;
                nativeBuildInputs = tools;
                buildPhase = command;
                doCheck = false;
                installPhase = "touch $out";
              }
            );
        in
        {
          fmt = check "fmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
          clippy =
            check "clippy" [ pkgs.clippy ]
              "cargo clippy --offline --workspace --all-targets -- --deny warnings";
          test = check "test" [ ] "cargo test --offline --workspace";
        }
      );

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cargo
            pkgs.cargo-deny
            pkgs.clippy
            pkgs.just
            pkgs.rustc
            pkgs.rustfmt
          ]
          # For `just snap`; not every nixpkgs that this may follow has it.
          ++ lib.optional (pkgs ? cargo-insta) pkgs.cargo-insta;
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt);

      overlays.default = final: _: packagesFor final;
    };
}
