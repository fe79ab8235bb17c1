/** Instances of schema classes whose fields this project has just computed, without the schema's walk over each of them. */
import * as Data from "effect/Data"

/** The class of a schema. */
interface Model<A extends object, Fields> {
  new (...args: never): A
  readonly make: (fields: Fields, options: { readonly disableChecks: true }) => A
}

/**
 * An instance with these fields, which are of their types already. A page has 10,000 actions of three commands each, and a
 * batch counts two events of each result: there `make` costs more than all else that is done with the fields.
 */
export const make = <A extends object, Fields>(model: Model<A, Fields>, fields: Fields): A => {
  const instance: unknown = Reflect.construct(Data.Class, [fields], model)
  return instance instanceof model ? instance : model.make(fields, { disableChecks: true })
}
