/**
 * A link to one result, for who wants to fetch it in another way. This is the one place where a link is shown.
 */
import { DefenderApi } from "@live-response/core/DefenderApi"
import type { DownloadLink } from "@live-response/core/DownloadLink"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Failure from "../../Failure.ts"
import * as Format from "../../output/Format.ts"
import * as Messages from "../../output/Messages.ts"
import * as QuotaNotices from "../../output/QuotaNotices.ts"
import { printable, printableJson } from "../../output/Printable.ts"

export const print = Effect.fnUntraced(
  function* (ref: ResultRef, { json }: { readonly json: boolean }) {
    yield* QuotaNotices.tell
    const link = yield* (yield* DefenderApi).downloadLink(ref)
    const now = yield* DateTime.now
    const url = Redacted.value(link.url)
    const report = {
      link: url,
      ...Option.match(link.expiresAt, {
        onNone: () => ({}),
        onSome: (expires) => ({ expires: DateTime.formatIso(expires) }),
      }),
      ...ref,
    }
    yield* Messages.write(
      `live-response: this link is a secret: whoever has it can read the result${until(link, now)}; keep it out of tickets, chats and logs`,
    )
    yield* Console.log(json ? printableJson(JSON.stringify(report)) : printable(url))
  },
  Effect.scoped,
  Effect.provide(NodeLiveResponse.layerTransferConfig),
  Effect.mapError(Failure.fromError),
)

/** How long is by the server's clock where it says so, and right on a machine whose own clock is wrong. */
const until = ({ expiresAt, validFor }: DownloadLink, now: DateTime.Utc): string =>
  Option.match(expiresAt, {
    onNone: () => "",
    onSome: (expires) => {
      const left = Option.getOrElse(validFor, () => DateTime.distance(now, expires))
      return Duration.isGreaterThan(left, Duration.zero)
        ? `, until ${Format.timeOfDay(expires)} (in ${Format.duration(left)})`
        : `, until it expired at ${Format.timeOfDay(expires)}`
    },
  })
