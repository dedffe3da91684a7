//! Fingerprints of commands, as in Redis and memcached: the command's name, and a placeholder for its arguments.

/// Words that begin a command on a further line. Other lines continue a value.
const KNOWN: &str = " append asking auth bitcount bitfield bitop bitpos blmove blmpop blpop brpop brpoplpush bzmpop \
    bzpopmax bzpopmin client cluster command config copy dbsize decr decrby del discard dump echo eval eval_ro evalsha \
    evalsha_ro exec exists expire expireat expiretime fcall fcall_ro flushall flushdb function geoadd geodist geohash \
    geopos georadius georadiusbymember geosearch geosearchstore get getbit getdel getex getrange getset hdel hello \
    hexists hexpire hget hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen hmget hmset hpexpire hpttl hrandfield \
    hscan hset hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat info keys lastsave lindex linsert llen lmove \
    lmpop lpop lpos lpush lpushx lrange lrem lset ltrim memory mget migrate monitor move mset msetnx multi object \
    persist pexpire pexpireat pexpiretime pfadd pfcount pfmerge ping psetex psubscribe pttl publish pubsub punsubscribe \
    quit randomkey readonly readwrite rename renamenx replicaof reset restore role rpop rpoplpush rpush rpushx sadd save \
    scan scard script sdiff sdiffstore select set setbit setex setnx setrange sinter sintercard sinterstore sismember \
    slowlog smembers smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe strlen subscribe \
    substr sunion sunionstore sunsubscribe swapdb time touch ttl type unlink unsubscribe unwatch wait waitaof watch xack \
    xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xtrim zadd zcard zcount \
    zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange \
    zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange \
    zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore add cas gets prepend replace ";

/// Maximum number of lines, one per command of a batch.
const LINES_MAX: usize = 64;
const WORD_MAX: usize = 32;

/// Returns the commands without their arguments; equal ones in a row appear once.
pub(super) fn folded(query: &str) -> String {
    let mut commands: Vec<String> = Vec::new();
    let lines = query.lines().take(LINES_MAX).filter(|line| !line.trim().is_empty());
    for (index, line) in lines.enumerate() {
        let mut words = line.split_whitespace();
        let Some(word) = words.next() else { continue };
        let word = if (index == 0 && is_word(word)) || is_known(word) {
            word.to_uppercase()
        } else if index == 0 {
            "?".to_owned()
        } else {
            continue;
        };
        let command = if words.next().is_some() && word != "?" { format!("{word} ?") } else { word };
        if commands.last() != Some(&command) {
            commands.push(command);
        }
    }
    commands.join("; ")
}

/// Returns whether a word looks like a command, such as `GET` or `JSON.SET`, and not like a key.
fn is_word(word: &str) -> bool {
    word.len() <= WORD_MAX && word.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_known(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    is_word(&word) && KNOWN.split_whitespace().any(|known| known == word)
}
