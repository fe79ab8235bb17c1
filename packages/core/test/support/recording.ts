import * as Logger from "effect/Logger"
import * as Tracer from "effect/Tracer"

/** A tracer and a logger that record everything. */
export const recording = () => {
  const spans: Array<Tracer.Span> = []
  const logs: Array<unknown> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    },
  })
  return { spans, logs, tracer, logger: Logger.make((options) => logs.push([options.message, options.cause])) }
}
