/** A walk through the pages of a list: where the next page is, and whether the walk makes progress. */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as ForeignNumber from "./foreignNumber.ts"
import type { Item, RecordList } from "./recordList.ts"
import { withoutEnd } from "./text.ts"

/** Where a list is: the base of the API, and the path below it, such as `/api/machineactions`. */
export interface Location {
  readonly base: string
  readonly path: string
}

export const firstAddress = ({ base, path }: Location, params: ReadonlyArray<string>): string =>
  `${base}${path}${params.length === 0 ? "" : `?${params.join("&")}`}`

const isOfList = ({ pathname }: URL, { path }: Location): boolean =>
  withoutEnd(pathname.toLowerCase(), "/").endsWith(path.toLowerCase())

/**
 * An address of the list on the base's own server, because the token is sent with it. A link to the list on another server,
 * such as that of a region, leads to the list here.
 */
export const resolve = (link: string, location: Location, from: string): Result.Result<string, string> => {
  const { base, path } = location
  const [origin, text] = [URL.parse(base)?.origin, link.trim()]
  if (URL.parse(text)?.origin === origin) return Result.succeed(text)
  const resolved = [from, `${base}/`].flatMap((start) => URL.parse(text, start) ?? [])
  const ofList = resolved.find((url) => isOfList(url, location))
  if (ofList !== undefined) return Result.succeed(`${base}${path}${ofList.search}`)
  const here = resolved.find((url) => url.origin === origin)
  return here === undefined ? Result.fail("the next page is at another server") : Result.succeed(here.href)
}

/** A page that is as long as `$top` says may have a next one, although the answer has no link to it. */
const afterFullPage = (address: string, count: number): Option.Option<string> => {
  const url = URL.parse(address)
  const top = ForeignNumber.count(url?.searchParams.get("$top") ?? undefined) ?? 0
  if (url === null || !(top > 0) || count < top) return Option.none()
  const skip = ForeignNumber.count(url.searchParams.get("$skip") ?? undefined) ?? 0
  const others = url.search
    .slice(1)
    .split("&")
    .filter((param) => !/^(\$|%24)skip=/i.test(param))
  return Option.some(`${address.split("?", 1).join()}?${[...others, `$skip=${skip + count}`].join("&")}`)
}

/** The address of the next page, where there is one, or what is wrong with it. */
const nextAddress = (
  address: string,
  location: Location,
  { count, nextLink }: Omit<RecordList<unknown>, "items">,
): Option.Option<Result.Result<string, string>> => {
  if (nextLink === undefined || nextLink === null) {
    return Option.map(afterFullPage(address, count), (next) => Result.succeed(next))
  }
  if (typeof nextLink !== "string") return Option.some(Result.fail("the address of the next page is not text"))
  return nextLink.trim() === "" ? Option.none() : Option.some(resolve(nextLink, location, address))
}

export interface Step<A> {
  /** The records of the page that no earlier page had. */
  readonly fresh: ReadonlyArray<Item<A>>
  readonly next: ReturnType<typeof nextAddress>
}

/** One walk. It remembers what it has seen, so that a walk without progress stops. */
export class PageWalk {
  private readonly addresses = new Set<string>()
  private readonly keys = new Set<string>()
  private readonly location: Location

  constructor(location: Location) {
    this.location = location
  }

  /** How many pages the walk has had. */
  get pages(): number {
    return this.addresses.size
  }

  /** Enters a page. Returns whether it is a new one. */
  enter(address: string): boolean {
    const isNew = !this.addresses.has(address)
    this.addresses.add(address)
    return isNew
  }

  /** Takes in the page of an address. `undefined` where it has nothing new and is still not the last one. */
  take<A>(address: string, page: RecordList<A>): Step<A> | undefined {
    const fresh = page.items.filter(({ key }) => {
      const isNew = !this.keys.has(key)
      this.keys.add(key)
      return isNew
    })
    const next = nextAddress(address, this.location, page)
    return fresh.length === 0 && Option.exists(next, Result.isSuccess) ? undefined : { fresh, next }
  }
}
