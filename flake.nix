{
  description = "An MCP server protected by Clerk, a library to build your own, and a conformance suite for such servers";

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
      # The inputs of the programs and nothing else, so that a change to the README or a test does not rebuild
      # them.
      code = [
        ./.askama.toml
        ./Cargo.toml
        ./Cargo.lock
        ./src
        ./conformance/Cargo.toml
        ./conformance/build.rs
        ./conformance/cases
        ./conformance/causes.toml
        ./conformance/clerk/Cargo.toml
        ./conformance/clerk/src
        ./conformance/clerk/templates
        ./conformance/clients.toml
        ./conformance/profiles
        ./conformance/src
        ./conformance/templates
        ./examples/template
        # Cargo requires the files of every bench and example that Cargo.toml names.
        ./benches
        ./conformance/clerk/benches
        ./conformance/broken
      ];
      # The additional inputs of the lints.
      linted = code ++ [
        ./.clippy.toml
        ./.rustfmt.toml
        ./conformance/clerk/tests
        ./conformance/tests
        ./examples
        ./fixtures
        ./fuzz/seeds
        ./tests
      ];
      # The additional inputs of the tests, which compare the README's tables with the code, and the NixOS
      # module's units with the configuration.
      tested = linted ++ [
        ./.nix/tests/units.json
        ./README.md
        ./conformance/requirements.toml
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
        # Tests run in checks.test. Here they would compile everything a second time for every user of the
        # package.
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
              description = (lib.importTOML ./conformance/Cargo.toml).package.description;
              mainProgram = "clerk-mcp-conformance";
            };
          }
        );
      };

      # Builds the server with the flake's own nixpkgs, the version that the checks run against.
      module = import ./.nix/module.nix (pkgs: self.packages.${pkgs.stdenv.hostPlatform.system}.default);
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
        # The images contain Linux programs, so only Linux can build them.
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          container = import ./.nix/container.nix {
            inherit pkgs;
            package = packages.clerk-mcp;
          };
          container-conformance = import ./.nix/container-conformance.nix {
            inherit pkgs;
            package = packages.clerk-mcp-conformance;
          };
        }
      );

      apps = eachSystem (
        pkgs:
        let
          packages = packagesFor pkgs;
          app = program: description: {
            type = "app";
            inherit program;
            meta = { inherit description; };
          };
        in
        {
          default = app (lib.getExe packages.clerk-mcp) "Run the server, configured by the environment and .env";
          demo = app (lib.getExe (
            pkgs.writeShellScriptBin "clerk-mcp-demo" ''exec ${lib.getExe packages.clerk-mcp} demo "$@"''
          )) "Run the server with a local Clerk: no account and no network needed";
          conformance = app (lib.getExe packages.clerk-mcp-conformance) "Test MCP servers protected by Clerk, or run a local Clerk";
        }
      );

      checks = eachSystem (
        pkgs:
        let
          packages = packagesFor pkgs;
          check =
            name: attributes:
            pkgs.rustPlatform.buildRustPackage (
              common
              // {
                pname = "clerk-mcp-${name}";
                src = source linted;
                doCheck = false;
                installPhase = "touch $out";
              }
              // attributes
            );
        in
        {
          build = packages.clerk-mcp;
          build-conformance = packages.clerk-mcp-conformance;
          fmt = check "fmt" {
            nativeBuildInputs = [ pkgs.rustfmt ];
            buildPhase = "cargo fmt --all --check";
          };
          clippy = check "clippy" {
            nativeBuildInputs = [ pkgs.clippy ];
            buildPhase = "cargo clippy --offline --workspace --all-targets -- --deny warnings";
          };
          test = check "test" {
            src = source tested;
            dontBuild = true;
            doCheck = true;
            checkType = "debug";
            cargoTestFlags = [ "--workspace" ];
            # The tests start servers and clients on loopback.
            __darwinAllowLocalNetworking = true;
          };
          conformance =
            pkgs.runCommand "clerk-mcp-conformance-results"
              {
                nativeBuildInputs = [
                  packages.clerk-mcp
                  packages.clerk-mcp-conformance
                ];
                __darwinAllowLocalNetworking = true;
              }
              ''
                clerk-mcp-conformance run --profile clerk-mcp --command clerk-mcp --report json=$out
              '';
          module = import ./.nix/tests { inherit pkgs module; };
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          vm = import ./.nix/tests/vm.nix {
            inherit pkgs module;
            conformance = packages.clerk-mcp-conformance;
          };
        }
      );

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cargo
            pkgs.cargo-deny
            pkgs.clippy
            pkgs.just
            # For `just mcp-conformance`.
            pkgs.nodejs
            pkgs.rustc
            pkgs.rustfmt
          ]
          # For `just snap`. Optional, because a nixpkgs that overrides this input may lack it.
          ++ lib.optional (pkgs ? cargo-insta) pkgs.cargo-insta;
        };
      });

      # Formats every .nix file when run without arguments.
      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);

      overlays.default = final: _: packagesFor final;

      nixosModules.default = {
        # Shown in error messages.
        _file = "clerk-mcp/.nix/module.nix";
        imports = [ module ];
      };
    };
}
