"""Time stamps over HTTP for tests: PORT_FILE FOLDER. NAME is a certificate NAME.pem and its NAME.key in FOLDER.

/old/NAME    counter-signatures as Authenticode had them first (Windows Authenticode PE Signature Format)
/weak/NAME   the same with SHA-1
/token/NAME  tokens of RFC 3161
/other/NAME  tokens of RFC 3161 for other data than was asked for
"""
import base64
import http.server
import os
import subprocess
import sys
import tempfile

port_file, folder = sys.argv[1:]

SETTINGS = """
[tsa]
default_tsa = own
[own]
serial = serial
signer_cert = %s.pem
signer_key = %s.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


def contents(der):
    """The values that a DER value holds, one level down."""
    def take(at):
        size, header = der[at + 1], 2
        if size & 0x80:
            count = size & 0x7F
            size, header = int.from_bytes(der[at + 2:at + 2 + count], "big"), 2 + count
        return at + header, at + header + size
    at, end = take(0)
    found = []
    while at < end:
        begin, after = take(at)
        found.append((der[at:after], der[begin:after]))
        at = after
    return found


def openssl(work, *arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, cwd=work, check=True, capture_output=True).stdout


def old(work, stamper, request, digest="sha256"):
    # SEQUENCE { type, SEQUENCE { data, [0] { OCTET STRING, the signature } } }
    content = contents(contents(contents(base64.b64decode(request))[-1][0])[-1][0])[0][1]
    pkcs7 = openssl(work, "smime", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", digest, "-signer",
                    stamper + ".pem", "-inkey", stamper + ".key", "-outform", "DER", data=content)
    return base64.b64encode(pkcs7)


def weak(work, stamper, request):
    return old(work, stamper, request, "sha1")


def token(work, stamper, request):
    with open(os.path.join(work, "query"), "wb") as file:
        file.write(request)
    with open(os.path.join(work, "settings"), "w", encoding="ascii") as file:
        file.write(SETTINGS % (stamper, stamper))
    return openssl(work, "ts", "-reply", "-config", "settings", "-queryfile", "query")


def other(work, stamper, _request):
    return token(work, stamper, openssl(work, "ts", "-query", "-sha256", "-cert", "-no_nonce", data=b"other data"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        with tempfile.TemporaryDirectory() as work:
            kind, name = self.path.strip("/").split("/")
            answer = {"old": old, "weak": weak, "token": token, "other": other}[kind](work, os.path.join(folder, name), request)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if kind in ("old", "weak") else "application/timestamp-reply")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
