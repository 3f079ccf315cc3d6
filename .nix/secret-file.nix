# The option type for a file that contains a secret. Its value is the file's name, never the secret, because
# option values end up in the Nix store, which every user of the machine can read.
rec {
  # Returns the error for an invalid `value`, or null. No message repeats the value, because it may be the
  # secret.
  fault =
    value:
    let
      startsWith = prefix: builtins.substring 0 (builtins.stringLength prefix) value == prefix;
    in
    if builtins.isPath value then
      "an unquoted path is copied into the Nix store when it is converted to a string. Put it in quotes: \"/run/secrets/clerk\"."
    else if !builtins.isString value then
      "expected a file name in quotes: \"/run/secrets/clerk\"."
    else if !startsWith "/" && builtins.match ".*sk_(test|live)_.*" value != null then
      "this looks like the secret key itself, which would be copied into the Nix store, where every user can read it. Write the key into a file that only root can read (for example with sops-nix or agenix) and set this option to that file's name. If the key was ever part of a build, replace it in the Clerk Dashboard."
    else if startsWith builtins.storeDir || builtins.hasContext value then
      "this file is in the Nix store, where every user can read it. Use a file outside the store that only root can read, such as \"/run/secrets/clerk\" (sops-nix and agenix create such files). Never create it with writeText or from a file of the flake."
    else if !startsWith "/" then
      "expected an absolute path, such as \"/run/secrets/clerk\": the name of the file that contains the key, not the key itself."
    else
      null;

  type =
    lib:
    lib.mkOptionType {
      name = "secretFile";
      description = "absolute path, outside the Nix store, of a file that contains the secret";
      descriptionClass = "noun";
      # Accepts every value and validates in `merge`, because the module system's own error would show the
      # value.
      check = _: true;
      merge =
        location: definitions:
        let
          faults = builtins.filter (x: x != null) (map (definition: fault definition.value) definitions);
        in
        if faults == [ ] then
          lib.mergeEqualOption location definitions
        else
          throw "The option `${lib.concatStringsSep "." location}' is invalid: ${builtins.head faults}";
    };
}
