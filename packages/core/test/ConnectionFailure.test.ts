import { assert, describe, it } from "@effect/vitest"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as ConnectionFailure from "../src/internal/connectionFailure.ts"

const described = (message: string) => {
  const request = HttpClientRequest.get("https://api.example/")
  const reason = new HttpClientError.TransportError({ request, cause: new Error(message) })
  return ConnectionFailure.troubleOf(new HttpClientError.HttpClientError({ reason })).description
}

describe("the description of a connection that failed", () => {
  it("is the same in all processes, and has nothing of OpenSSL's source", () => {
    const openSsl = (thread: string) =>
      `${thread}:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/openssl/openssl/ssl/record/methods/tlsany_meth.c:77:`
    assert.strictEqual(described(openSsl("408D8915217F0000")), "TLS: wrong version number")
    assert.strictEqual(described(openSsl("40BD1C2A9C7F0000")), "TLS: wrong version number")
    assert.strictEqual(
      described(
        "write EPROTO 8080:error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:../deps/openssl/rec_layer_s3.c:918:SSL alert number 40",
      ),
      "write EPROTO TLS: ssl/tls alert handshake failure",
    )
    assert.strictEqual(described("connect ECONNREFUSED 127.0.0.1:1"), "connect ECONNREFUSED 127.0.0.1:1")
  })
})
