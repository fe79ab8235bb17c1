/** Requests the missing bytes of a result from its storage. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { DefenderApi, type Service as Api } from "../DefenderApi.ts"
import * as DownloadLink from "../DownloadLink.ts"
import { reportNow } from "../Reporter.ts"
import { Linked } from "../ResultEvent.ts"
import { Timing } from "../Timing.ts"
import * as TransferError from "../TransferError.ts"
import * as BatchTargets from "./batchTargets.ts"
import * as BlobAnswer from "./blobAnswer.ts"
import { secretsOfLink } from "./foreignText.ts"
import * as Http from "./httpExchange.ts"
import { monotonicMillis } from "./monotonic.ts"
import * as NetworkGate from "./networkGate.ts"
import * as TransferFailure from "./transferFailure.ts"
import { strongEtag, type TransferState } from "./transferState.ts"

/** An answer with a body of the result. */
export interface Opened extends Http.Opened {
  /** The error of a body that is a web page, where such a body is not the result. */
  readonly ifPage: ((page: string) => TransferError.TransferError) | undefined
}

export interface BlobClient {
  /**
   * An answer whose body is the rest of the result. If the storage does not continue the transfer, the transfer starts
   * over, and the body is all of the result. `borrowed` is that of `Transfer.chunks`.
   */
  readonly open: (
    transfer: TransferState,
    borrowed: boolean,
  ) => Effect.Effect<Opened, TransferFailure.DownloadError, Scope.Scope>
}

/** `identity`, because offsets, lengths and hashes are those of the stored bytes. */
const requestOf = ({ url }: DownloadLink.DownloadLink, { head, offset }: TransferState) => {
  const etag = strongEtag(head)
  return HttpClientRequest.get(Redacted.value(url), {
    headers: {
      "accept-encoding": "identity",
      ...(offset > 0 && etag !== undefined ? { range: `bytes=${offset}-`, "if-match": etag } : {}),
    },
  })
}

const originOf = ({ url }: DownloadLink.DownloadLink): string => new URL(Redacted.value(url)).origin

const gaveUp = (error: TransferError.TransferError, waited: Duration.Duration): TransferError.TransferError =>
  error.reason._tag === "Broken"
    ? new TransferError.TransferError({
        result: error.result,
        reason: new TransferError.Broken({ ...error.reason, waited }),
      })
    : error

/** One gate for each storage host, because one host may be in reach while another is not. */
const makeGates = Effect.map(Timing, (timing) => {
  const gates = new Map<string, NetworkGate.Gate<TransferError.TransferError>>()
  const make = (origin: string) =>
    Effect.map(Effect.provideService(NetworkGate.make(TransferFailure.gateOptions), Timing, timing), (gate) => {
      gates.set(origin, gate)
      return gate
    })
  return (origin: string) =>
    Effect.suspend(() => {
      const known = gates.get(origin)
      return known === undefined ? make(origin) : Effect.succeed(known)
    })
})

/** The current link, or a new one if there is none or it has expired. A new link is used whatever it says. */
const currentLink = (api: Api) => {
  const newLink = Effect.fnUntraced(function* (transfer: TransferState) {
    const { links, ref } = transfer
    const link = yield* api.downloadLink(ref, { isRenewal: links > 0 })
    transfer.link = { link, receivedAt: yield* monotonicMillis }
    transfer.links++
    yield* reportNow((at) => Linked.make({ at, ...ref, links: transfer.links }))
    return link
  })
  return (transfer: TransferState) =>
    Effect.flatMap(monotonicMillis, (now) => {
      const { link: current } = transfer
      const isUsable =
        current !== undefined && DownloadLink.isUsable(current.link, Duration.millis(now - current.receivedAt))
      return isUsable ? Effect.succeed(current.link) : newLink(transfer)
    })
}

/** Makes the client. It sends no bearer token and no trace headers. */
export const make: Effect.Effect<BlobClient, never, HttpClient.HttpClient | DefenderApi> = Effect.gen(function* () {
  const openAnswer = Http.opener(yield* HttpClient.HttpClient)
  const api = yield* DefenderApi
  const headTimeout = Duration.fromInputUnsafe((yield* Timing).headTimeout)
  const gateOf = yield* makeGates

  const linkOf = currentLink(api)

  /** One request. `check` fails if the host went out of reach while the link was renewed. */
  const send = Effect.fnUntraced(function* (
    transfer: TransferState,
    borrowed: boolean,
    check: Effect.Effect<void, TransferError.TransferError>,
  ) {
    const link = yield* linkOf(transfer)
    yield* check
    return yield* openAnswer(requestOf(link, transfer), { borrowed, headTimeout }).pipe(
      // A link to a package has no signature that spans leave out, but a token.
      Effect.updateService(UrlParams.CurrentRedactedNames, (names) => [...names, "token"]),
      Effect.mapError((trouble) => TransferFailure.ofConnection(transfer, link, trouble)),
    )
  })

  /** Requests the missing bytes once the host is in reach. */
  const request = Effect.fnUntraced(function* (transfer: TransferState, borrowed: boolean) {
    const origin = originOf(yield* linkOf(transfer))
    const gate = yield* gateOf(origin)
    const throughGate = gate.through((check) => send(transfer, borrowed, check), gaveUp)
    return yield* BatchTargets.asking(String(transfer.ref), origin)(throughGate)
  })

  const open: BlobClient["open"] = (transfer, borrowed) =>
    Effect.gen(function* () {
      // Only a strong ETag promises that the next bytes belong to those received.
      if (strongEtag(transfer.head) === undefined) transfer.startOver()
      const opened = yield* request(transfer, borrowed)
      const { response } = opened
      const secrets = transfer.link === undefined ? [] : secretsOfLink(transfer.link.link.url)
      const meaning = BlobAnswer.meaningOf(response, transfer, { now: yield* DateTime.now, secrets })
      const foreign = (page: string) => TransferFailure.make(transfer.ref, BlobAnswer.foreign(response, page, secrets))
      switch (meaning._tag) {
        case "StartOver":
        case "Body": {
          if (meaning._tag === "StartOver") transfer.startOver()
          transfer.head = meaning.head
          const mayBePage = transfer.offset === 0 && BlobAnswer.isForeignIfPage(response)
          return { ...opened, ifPage: mayBePage ? foreign : undefined }
        }
        case "AskForWhole":
          yield* Http.errorText(response)
          transfer.startOver()
          return yield* open(transfer, borrowed)
        case "Foreign":
          return yield* foreign(yield* Http.errorText(response))
        case "Failed":
          yield* Http.errorText(response)
          // The link has expired, or its key was changed: the API gives a new one.
          if (meaning.reason._tag === "LinkRefused") transfer.link = undefined
          return yield* TransferFailure.make(transfer.ref, meaning.reason)
      }
    })

  return { open }
})
