// @effect-diagnostics globalConsole:off




















































import * as FollowPosition from "@live-response/core/FollowPosition"

interface Selection {
  readonly requestor: ReadonlyArray<string>
  readonly type: ReadonlyArray<string>
}

const key = FollowPosition.makeKey<keyof Selection>({ type: ["LiveResponse"], requestor: [] })
console.log(key.join(", ")) // type LiveResponse
