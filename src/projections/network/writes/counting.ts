/** Counts follow the rows that a statement really made (+1) or removed (-1), so that applying an event twice counts it once. */
export function countingPosts(change: string, sign: 1 | -1): string {
  return `
    with changed as (${change} returning posts.author_id),
    counts as (select author_id, count(*) as posts from changed group by 1)
    update schema.users set post_count = post_count + ${sign} * counts.posts
    from counts where users.id = counts.author_id`;
}

export function countingFollows(change: string, sign: 1 | -1): string {
  return `
    with changed as (${change} returning follows.follower, follows.followee),
    counts as (
      select id, sum(followers) as followers, sum(following) as following
      from (select followee as id, 1 as followers, 0 as following from changed union all select follower, 0, 1 from changed) both_sides
      group by 1
    )
    update schema.users
    set follower_count = follower_count + ${sign} * counts.followers, following_count = following_count + ${sign} * counts.following
    from counts where users.id = counts.id`;
}
