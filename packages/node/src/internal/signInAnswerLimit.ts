import type { AdditionalPolicy } from "./signInConnection.ts"
import { deadline } from "./signInTimeout.ts"

/** A sign-in server's answer, in bytes: one with a token or a directory of servers has some thousands. */
const longest = 1024 * 1024

const tooLong = () => Object.assign(new Error(`the answer has more than ${longest} bytes`), { code: "EMSGSIZE" })

/**
 * Ends a request whose answer is larger than any of a sign-in, or that nobody waits for any more. `@azure/identity` gathers
 * an answer without a bound, and MSAL passes no signal on.
 */
export const boundedAnswer: AdditionalPolicy["policy"] = {
  name: "boundedAnswer",
  sendRequest: (request, next) => {
    const size = new AbortController()
    const end = new AbortController()
    for (const signal of [size.signal, request.abortSignal, deadline.getStore()]) {
      if (signal?.aborted === true) end.abort()
      signal?.addEventListener("abort", () => end.abort())
    }
    request.abortSignal = end.signal
    request.onDownloadProgress = ({ loadedBytes }) => {
      if (loadedBytes > longest) size.abort()
    }
    return next(request).catch((error: unknown) => Promise.reject(size.signal.aborted ? tooLong() : error))
  },
}
