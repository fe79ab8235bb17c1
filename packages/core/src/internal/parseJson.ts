import * as Option from "effect/Option"

/** The value of a text that is JSON. */
export const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))
