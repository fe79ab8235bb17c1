/** Microsoft's limits for the calls of each API, a minute and an hour. `QuotaRule` makes windows of them. */

/** Download links. */
export const links = { perMinute: 100, perHour: 1500 } as const

/** Links of investigation packages. */
export const packageLinks = { perMinute: 2, perHour: 120 } as const

/** Each other API, starting sessions aside: that has `sessionLimits`. */
export const otherCalls = { perMinute: 100, perHour: 1500 } as const
