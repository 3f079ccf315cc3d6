# A program that asks the server's /readyz and succeeds when it is ready. With a number of seconds it asks until then;
# it also gives up when the process MAINPID is gone. It takes HOST and PORT from the environment, as the server does,
# and needs nothing but bash, so that a container with it is hardly larger than one without.
pkgs:
pkgs.writeShellScript "clerk-mcp-probe" ''
  case ''${HOST:-127.0.0.1} in
    0.0.0.0 | localhost) address=127.0.0.1 ;;
    ::) address=::1 ;;
    *) address=''${HOST:-127.0.0.1} ;;
  esac

  # In a subshell: a redirection of exec that fails ends the shell.
  ask() (
    exec 3<> "/dev/tcp/$address/''${PORT:-3001}" || exit
    printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    read -r -t 5 -u 3 _ status _ || exit
    # The body is what comes last; it says which part is not ready.
    while read -r -t 5 -u 3 line || [ -n "$line" ]; do body=$line; done
    printf '%s %s\n' "$status" "$body"
    [ "$status" = 200 ]
  )

  until answer=$(ask 2> /dev/null); do
    if [ "$SECONDS" -ge "''${1:-0}" ]; then
      printf 'not ready: %s\n' "''${answer:-no answer}" >&2
      exit 1
    fi
    if [ -n "''${MAINPID:-}" ] && ! kill -0 "$MAINPID" 2> /dev/null; then
      echo 'not ready: the server has ended' >&2
      exit 1
    fi
    sleep 0.2
  done
''
