/** Commands that clients of a cluster send by themselves, by name: the category `@connection` would let one end others' connections. */
const client = "+ping +asking +client|setname +client|setinfo +cluster|slots +cluster|shards +cluster|nodes +info";

/** What each user may do: keys of releases (`r:`), of listeners (`n:`) and of Segue itself (`segue:`), and nothing administrative. */
export const cacheUsers = {
  recommend: `on ~r:* ~n:* ~segue:* -@all +get +hget ${client}`,
  publish: `on ~r:* ~segue:* -@all +get +hget +set +hset +expire +ttl ${client}`,
  recent: `on ~n:* -@all +get +set ${client}`,
  erase: `on ~r:* ~n:* -@all +get +hget +set +del +hdel ${client}`,
} as const;
