/**
 * What `live-response link` does: prints a download link. No other part of this program prints one.
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
import * as StandardError from "../../output/StandardError.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as QuotaNotices from "../../output/QuotaNotices.ts"

export const print = Effect.fnUntraced(
  function* (ref: ResultRef, { json }: { readonly json: boolean }) {
    yield* QuotaNotices.report
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
    yield* StandardError.write(
      `live-response: this link is a secret: anybody who has it can read the result${until(link, now)}; keep it out of tickets, chats and logs`,
    )
    yield* Console.log(json ? printableJson(JSON.stringify(report)) : printable(url))
  },
  Effect.scoped,
  Effect.provide(NodeLiveResponse.layerTransferConfig),
  Effect.mapError(Failure.fromError),
)

/** The remaining time is by the server's clock, if the link states it: this machine's clock may be wrong. */
const until = ({ expiresAt, validFor }: DownloadLink, now: DateTime.Utc): string =>
  Option.match(expiresAt, {
    onNone: () => "",
    onSome: (expires) => {
      const left = Option.getOrElse(validFor, () => DateTime.distance(now, expires))
      return Duration.isGreaterThan(left, Duration.zero)
        ? `, until ${Format.timeOfDay(expires)} (in ${Format.duration(left)})`
        : `, but it expired at ${Format.timeOfDay(expires)}`
    },
  })
