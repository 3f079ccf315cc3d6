# Evaluates the module with `definitions` of services.clerk-mcp, without building a system. Stand-ins replace
# the NixOS options that the module sets.
{
  lib,
  pkgs,
  module,
}:
let
  inherit (lib) types mkOption;

  # Uses the module system of nixpkgs.
  real =
    definitions:
    (lib.evalModules {
      modules = [
        module
        {
          _module.args.pkgs = pkgs;
          services.clerk-mcp = definitions;
        }
        {
          options = {
            assertions = mkOption { type = types.listOf types.anything; };
            warnings = mkOption { type = types.listOf types.str; };
            networking.firewall.allowedTCPPorts = mkOption { type = types.listOf types.port; };
            systemd.services = mkOption { type = types.attrsOf (types.attrsOf types.anything); };
          };
        }
      ];
    }).config;

  # Uses a minimal module system with what this module needs: type checks, defaults and required options.
  small =
    definitions:
    let
      type = name: check: {
        inherit name check;
        merge = _: given: (builtins.head given).value;
      };
      matching =
        pattern:
        type "string matching ${pattern}" (x: builtins.isString x && builtins.match pattern x != null);
      integer = least: most: type "integer from ${toString least} to ${toString most}" (
        x: builtins.isInt x && x >= least && x <= most
      );
      evaluated = module {
        inherit pkgs config;
        lib = lib // {
          mkOption = x: x;
          mkOptionType = x: x;
          mkIf = condition: content: if condition then content else { };
          mergeEqualOption = _: given: (builtins.head given).value;
          types = {
            bool = type "boolean" builtins.isBool;
            nonEmptyStr = type "non-empty string" (x: builtins.isString x && x != "");
            package = type "package" lib.isDerivation;
            path = type "absolute path" (x: builtins.substring 0 1 (toString x) == "/");
            strMatching = matching;
            enum = values: type "one of ${toString values}" (x: builtins.elem x values);
            nullOr = inner: type "null or ${inner.name}" (x: x == null || inner.check x);
            listOf = inner: type "list of ${inner.name}" (x: builtins.isList x && builtins.all inner.check x);
            ints = {
              between = integer;
              positive = integer 1 9223372036854775807;
              unsigned = integer 0 9223372036854775807;
            };
          };
        };
      };
      options = evaluated.options.services.clerk-mcp;
      unknown = builtins.attrNames (builtins.removeAttrs definitions (builtins.attrNames options));
      valueOf =
        name: option:
        let
          value = definitions.${name};
        in
        if !definitions ? ${name} then
          option.default or (throw "The option `services.clerk-mcp.${name}' has no value.")
        else if !option.type.check value then
          throw "The option `services.clerk-mcp.${name}' is not of type `${option.type.name}'."
        else
          option.type.merge [ "services" "clerk-mcp" name ] [ { inherit value; } ];
      config =
        if unknown != [ ] then
          throw "The option `services.clerk-mcp.${builtins.head unknown}' does not exist."
        else
          {
            services.clerk-mcp = builtins.mapAttrs valueOf options;
            inherit (evaluated.config)
              assertions
              warnings
              networking
              systemd
              ;
          };
    in
    config;
in
# A stand-in for the lib of nixpkgs may lack the module system.
if (builtins.tryEval (lib.evalModules { modules = [ ]; } ? config)).success then real else small
