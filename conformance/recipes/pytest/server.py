"""The server under test: accepts session tokens of Clerk. Use your own server instead."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt


def create_server(environment: dict[str, str]) -> ThreadingHTTPServer:
    issuer = environment["CLERK_FRONTEND_API_URL"]
    keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", cooldown_duration=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                key = keys.get_signing_key_from_jwt(token)
                claims = jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, options={"require": ["exp", "sub"]})
            except jwt.PyJWTError:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Bearer")
                self.end_headers()
            else:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(claims["sub"].encode())

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
