# A program that requests the server's /readyz and succeeds when the server is ready. With a number of seconds
# as its argument, it retries for that long, or until the process MAINPID has ended. It reads HOST and PORT
# from the environment, like the server, and needs only bash, which keeps the container image small.
pkgs:
pkgs.writeShellScript "clerk-mcp-probe" ''
  case ''${HOST:-127.0.0.1} in
    0.0.0.0 | localhost) address=127.0.0.1 ;;
    ::) address=::1 ;;
    *) address=''${HOST:-127.0.0.1} ;;
  esac

  # In a subshell, because a failed redirection of exec ends the shell.
  ask() (
    exec 3<> "/dev/tcp/$address/''${PORT:-3001}" || exit
    printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    read -r -t 5 -u 3 _ status _ || exit
    # The last line is the body, which says which part is not ready.
    while read -r -t 5 -u 3 line || [ -n "$line" ]; do body=$line; done
    printf '%s %s\n' "$status" "$body"
    [ "$status" = 200 ]
  )

  until answer=$(ask 2> /dev/null); do
    if [ "$SECONDS" -ge "''${1:-0}" ]; then
      printf 'not ready: %s\n' "''${answer:-no response}" >&2
      exit 1
    fi
    if [ -n "''${MAINPID:-}" ] && ! kill -0 "$MAINPID" 2> /dev/null; then
      echo 'not ready: the server has ended' >&2
      exit 1
    fi
    sleep 0.2
  done
''
