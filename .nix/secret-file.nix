# The option type of a file that holds a secret. It takes the name of the file, never the secret: what a module is given
# ends up in the Nix store, which every user of the machine can read.
rec {
  # What is wrong with `value`, or null. No message repeats the value, for it may be the secret.
  fault =
    value:
    let
      startsWith = prefix: builtins.substring 0 (builtins.stringLength prefix) value == prefix;
    in
    if builtins.isPath value then
      "an unquoted path is copied into the Nix store as soon as it becomes text. Put it in quotes: \"/run/secrets/clerk\"."
    else if !builtins.isString value then
      "it is the name of a file, in quotes: \"/run/secrets/clerk\"."
    else if !startsWith "/" && builtins.match ".*sk_(test|live)_.*" value != null then
      "this looks like the secret key itself, and would be copied into the Nix store, which everyone can read. Write the key into a file that only root can read (or have sops-nix or agenix do so) and give that file's name here. If the key was ever part of a build, replace it in the Clerk Dashboard."
    else if startsWith builtins.storeDir || builtins.hasContext value then
      "this file is in the Nix store, which everyone can read. Name a file outside of it that only root can read, such as \"/run/secrets/clerk\" (sops-nix and agenix make such files), and never make one with writeText or from a file of the flake."
    else if !startsWith "/" then
      "it must be an absolute path, such as \"/run/secrets/clerk\": the name of the file that holds the key, not the key."
    else
      null;

  type =
    lib:
    lib.mkOptionType {
      name = "secretFile";
      description = "absolute path, outside of the Nix store, of a file that holds the secret";
      descriptionClass = "noun";
      # Everything is taken here and refused below: the module system's own refusal would repeat the value.
      check = _: true;
      merge =
        location: definitions:
        let
          faults = builtins.filter (x: x != null) (map (definition: fault definition.value) definitions);
        in
        if faults == [ ] then
          lib.mergeEqualOption location definitions
        else
          throw "The option `${lib.concatStringsSep "." location}' is refused: ${builtins.head faults}";
    };
}
