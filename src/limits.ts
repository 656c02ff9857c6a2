/** Every bound of the system, with its unit and the reason for its size. Folders add their own below; nothing else holds a bare number. */
export const limits = {
  // ---- what users write
  /** Characters of a handle: fits every client and a subject of NATS. */
  handleLengthMax: 30,
  /** Graphemes of a post: what a reader counts as characters. */
  postGraphemesMax: 500,
  /** Bytes of a post as UTF-8: 500 graphemes of many combining marks must not become a megabyte. */
  postBytesMax: 8 * 1024,
  /** Graphemes of a display name. */
  nameGraphemesMax: 50,
  /** Bytes of a display name as UTF-8: 50 graphemes of many combining marks must not become a page. */
  nameBytesMax: 1_024,
  /** Characters of a password: the least that argon2id can make safe, the most that one hash should have to read. */
  passwordLengthMin: 8,
  passwordLengthMax: 256,
  /** Characters of a command id that a client chooses. */
  commandIdLengthMax: 100,

  // ---- event log
  /** Events of one commit: the index must fit the ten bits it has inside a place (see `events/position.ts`). */
  eventsPerCommitMax: 1024,
  /** Commits of one batch that a read or a subscription hands out: bounds memory, still amortises a transaction. */
  commitsPerBatchMax: 2_048,
  /** Commits that a subscriber who is behind is read in one turn of the event loop, some 1 ms: what else waits must not wait for all that was missed. */
  commitsPerReadMax: 256,
  /** Encoded bytes of one batch, unless a single commit is larger: some 2,048 commits of posts of the usual length. */
  bytesPerBatchMax: 4 * 1024 * 1024,
  /** Encoded bytes of one commit: a message of NATS holds 1 MiB with its headers. */
  commitBytesMax: 512 * 1024,
  /** Commits that are kept decoded for the subscriptions that are up to date: some seconds of a busy system. */
  newestCommitsMax: 2_048,
  newestCommitsBytesMax: 4 * 1024 * 1024,
  /** Appends that share one transaction and one sync: more add latency and no throughput. */
  appendsPerGroupMax: 2_048,
  /** A group of at least so many commits is written to the journal of the embedded log on the main thread, which spares two switches between threads; a smaller one would not be worth the wait. */
  mainThreadCommitsMin: 32,
  /** Longest mean time that the main thread may spend on such a group; a disk that takes longer gets a thread of its own again, and is looked at anew after a rest. */
  mainThreadWriteMsMax: 4,
  mainThreadWriteRestMs: 5_000,
  /** Appends that wait for the disk: beyond it the log says so instead of growing. */
  appendsWaitingMax: 65_536,
  /** Each of the two areas of the journal of the embedded log: one takes appends while what is in the other goes into the table. Part of the format of the data directory. */
  journalAreaBytes: 1024 * 1024,
  /** How long appends stay in the journal alone: those of that time go into the table in one transaction. */
  journalRestMs: 100,
  /** Pause after the table could not be written, as on a full disk; an append that needs room in the journal tries at once. */
  journalRetryMs: 5_000,
  /** Times that a journal is read, while another process writes it, before what seems to be missing in it is believed to be. */
  journalReadTriesMax: 5,
  /** Ends of streams that the embedded log holds in memory until it writes them, sorted: about 200 bytes each, for twice as many at the most. */
  streamHeadsHeldMax: 16_384,
  /** Commits whose stream's end may not be written yet: as many are read again after a crash, in some 100 ms. */
  commitsNotIndexedMax: 32_768,
  /** Pages by which the file of the log may be shorter than it says: LMDB does not write pages at its end that a transaction took and gave back. */
  logFileSlackPages: 16,
  /** How long JetStream may take to answer an append or a look-up: then the outcome is unknown. Far above a busy server's time, below a try of a command. */
  jetStreamTimeoutMs: 3_000,
  /** How long the leader may take to show that it still leads: two of its heartbeats, which come every second, and some. */
  jetStreamHeadTimeoutMs: 2_500,
  /** Silence after which a look-up is asked again: far above a busy server's time. */
  jetStreamAskAgainMs: 600,
  /** How long answers of a leader that was replaced may still be on their way. */
  jetStreamElectedMs: 100,
  /** How often it is asked again meanwhile. */
  jetStreamLeaderPollMs: 50,
  /** How long opening the log waits for JetStream servers that start together, and pauses between tries. */
  jetStreamPatienceMs: 20_000,
  jetStreamRetryMs: 250,
  /** Commits whose versions are remembered, to check what an append expects: about 100 bytes each. */
  jetStreamVersionsKnownMax: 65_536,
  /** Commits of a stream that are read one by one, from its end, before a consumer is worth its making: with replicas it takes as much work as a hundred. */
  jetStreamSingleReadsMax: 128,
  /** How often a new message is asked for by its number while the servers do not agree on a consumer: far above the time that making one takes. */
  jetStreamOneByOneMs: 50,
  /** Messages of one pull of a consumer, and how many bytes may wait before there is another: two pulls are under way at once. */
  jetStreamPullMessages: 1_024,
  jetStreamPullBytes: 4 * 1024 * 1024,
  /**
   * How long a pull stays open, how often the server says meanwhile that it lives, the silence after which somebody else is asked whether there is more, how
   * long it may bring nothing, though it lives, until somebody is asked, and the silence after which its consumer is made anew.
   */
  jetStreamPullMs: 20_000,
  jetStreamHeartbeatMs: 500,
  jetStreamDoubtMs: 700,
  jetStreamBehindMs: 3_000,
  jetStreamSilenceMs: 1_750,
  /** Silence of a replica, as the leader knows it, after which it is worth a line in the logs: they speak once a second. */
  jetStreamUnheardMs: 10_000,
  /** Consumers that are made, one after the other, in search of one that lives on the server which the node is connected to; of three, that is one in three. */
  jetStreamConsumerTries: 6,
  /** A consumer that nobody pulls from goes after this time. */
  jetStreamConsumerIdleMs: 60_000,
  /** Pause before a stream is asked for its end again while an append to it is under way. */
  jetStreamBusyMs: 5,
  /** Bytes of a message besides the commit: subject and fence. */
  jetStreamHeaderBytes: 1_024,
  /** How often a process that only reads the log looks for commits of the one that writes. */
  readOnlyPollMs: 50,
  /** How long EventStoreDB gets for an append, a read or a look at the end of a stream: its own limit for a write is 2 s, for a cluster that elects a leader some more. */
  esdbAnswerTimeoutMs: 5_000,
  /** A subscription to EventStoreDB that shows no sign of life for this long is compared with the end of the log, and made anew if it lies behind. */
  esdbSilenceMs: 10_000,
  /** Waits before a lost subscription to EventStoreDB is made anew; doubled each time, up to the second. */
  esdbBackOffMinMs: 50,
  esdbBackOffMaxMs: 2_000,
  /** Events that wait in memory between EventStoreDB and one subscription: enough for a batch that is worth a transaction. */
  esdbEventsBufferedMax: 1_024,
  /** Events of others that EventStoreDB passes over before it says how far it is: in pages of 32. */
  esdbCheckpointPages: 32,
  /** Ends of streams that are remembered, to check an expected position without asking: about 300 bytes each. */
  esdbStreamHeadsMax: 65_536,
  /** Characters of a name space inside EventStoreDB. */
  esdbSpaceLengthMax: 32,

  // ---- actors
  /** How often a node that could not begin its run, since the log took nothing, tries again. */
  runRetryMs: 1_000,
  /** Commands that wait for one actor: beyond it the answer is OVERLOADED, since waiting longer than a time-out helps nobody. */
  mailboxSizeMax: 256,
  /** Commands that an actor remembers whatever their age. */
  rememberedCommandsMin: 256,
  /** How long an actor remembers a command at the least: a client may retry after a night without network. */
  rememberedCommandsMs: 24 * 3_600_000,
  /** Commands that an actor remembers at the most, 16 MB and an index: eleven a second for a whole day, which no person does. */
  rememberedCommandsMax: 1_000_000,
  /** Commands that wait or run on one node: bounds the memory of all mailboxes together. */
  commandsPerNodeMax: 65_536,
  /** When to come back after OVERLOADED: a full mailbox empties in about this time. */
  overloadedRetryMs: 200,
  /** How often an actor decides the same command anew because other writers were faster, before it asks the sender to come back. */
  decideTriesMax: 5,
  /** Actors in memory: about 2 KB each at rest. */
  activeActorsMax: 50_000,
  /** An actor that got no command for this long is put away. */
  passivateAfterMs: 120_000,
  /** Streams read at the same time to recover actors: more would only queue inside the log. */
  recoveriesMax: 64,
  /** Busy actors that are passed over in search of one to put away. */
  passivationScanMax: 64,
  /** UTF-16 units of a display name and of a password hash as they travel: 50 graphemes of joined emoji, and argon2id with room to grow. */
  nameLengthMax: 4_096,
  passwordHashLengthMax: 512,
  /** How long a snapshot on a server may take to come or to be taken: reading a thousand events is quicker than waiting longer. */
  snapshotTimeoutMs: 1_500,
  /** Events after the last snapshot from which on a new one is worth its bytes. */
  snapshotEveryEvents: 1_000,

  // ---- cluster
  /** How often a node says that it is there, and how long it rests in between however many newcomers want to hear it. */
  heartbeatMs: 400,
  heartbeatGapMs: 10,
  /** Silence after which a node is held dead: three heartbeats may be lost, and a dead node is still replaced within two seconds. */
  memberSilentMs: 1_500,
  /** How long a node that starts listens before it takes for granted that it has heard everybody. */
  membersSettleMs: 600,
  /** Nodes of one cluster: with more, some would have no shard. */
  membersMax: 256,
  /** How long nobody asks a node again that did not answer its door: a heartbeat or two decide what becomes of it. */
  suspectMs: 200,
  /** What the clocks of two nodes may drift apart during a try of a command and the time since the last heartbeat: one in a thousand. */
  commandDriftMs: 10,
  /** How long a node that leaves works on what waits in its mailboxes: a try of a command that takes longer has no caller left. */
  leaveMs: 5_000,
  /** Actors that are looked at in one go when shards have moved: a fraction of a millisecond each hundred. */
  movedActorsPerSlice: 500,

  // ---- transport and commands
  /** One try of a command over the transport, and the whole of it with retries. */
  commandTryTimeoutMs: 5_000,
  commandDeadlineMs: 10_000,
  /** Commands of one user in one message: an import sends many at once, which share its cost and one sync; they fit into a mailbox. */
  commandsTogetherMax: 64,
  /** The pause before a command is sent again: doubled from the first to the second, with jitter. */
  commandBackOffMinMs: 10,
  commandBackOffMaxMs: 250,
  /** How long a command is tried again while the log says that it takes nothing: some tries, and still an answer while somebody looks at the screen. */
  commandLogUnavailableMs: 1_500,
  /** How long closing a transport waits for handlers that run: a command that takes longer has no caller left. */
  transportDrainMs: 5_000,
  /** Requests that one responder works on at the same time: beyond it the sender hears at once that nobody is free. */
  requestsRunningMax: 16_384,
  /**
   * How long a first connection to NATS may take; how long each try, of a server that may die in its midst without a word; and the mean pause before the next,
   * with jitter, so that nodes do not come back in step.
   */
  natsConnectTimeoutMs: 5_000,
  natsTryTimeoutMs: 1_500,
  natsReconnectPauseMs: 500,
  /** Silence after which a ping goes out; two without an answer and the connection counts as lost. */
  natsPingIntervalMs: 10_000,
  /** At most one line of the log about malformed messages in this time: whoever sends them must not fill the disk. */
  malformedLogIntervalMs: 10_000,
  /** How often a node reports its counts while there is something to tell: the shortest sample that a client may ask for. */
  meterReportIntervalMs: 100,
  /** Subjects whose receivers the local transport remembers: all shards of several systems. */
  subjectsRememberedMax: 4_096,

  // ---- projections
  /** Events of one projection transaction: amortises the commit, keeps the lag of a batch low. */
  eventsPerProjectionBatchMax: 4_096,

  /** Pause after a batch, in which the next one gathers: the price of a busy system's latency for far fewer transactions. Nobody reads statistics so soon. */
  projectionPauseMs: { network: 3, statistics: 20 },
  /** A batch of more than this for each millisecond of the pause makes it longer, up to the longest: such a flood is an import or a catch-up, not people who wait. */
  projectionEventsPerPauseMs: 16,
  projectionPauseMaxMs: { network: 25, statistics: 100 },
  /**
   * A projection's lease, how often its holder renews it, and how often who stands by looks: a holder that is stopped is replaced within the sum of the
   * first and the last, one that is killed at the next look.
   */
  leaseMs: 3_000,
  leaseRenewMs: 1_000,
  leasePollMs: 400,
  /** A projection's transaction whose holder stands still this long is ended by the server, also where its successor may not do it. */
  projectionIdleInTransactionMs: 3_000,
  /** The most events of a lag that are counted, where commits are not numbered one after another. */
  lagCountedMax: 10_000,
  /** First and longest pause before a projection tries a database or log again that is away. */
  projectionRetryMs: 50,
  projectionRetryMaxMs: 500,
  /** Events of one transaction of a replay: more would only grow old in memory before they are written. */
  eventsPerReplayBatchMax: 4_096,
  /** How long a swap waits for readers of its tables before it gives way to them, and how often it tries: well below the second after which a deadlock is called one. */
  swapLockMs: 100,
  swapLockTriesMax: 100,
  /** Keys and indexes of one projection that a replay makes at the same time: more would be quicker on many cores, and leave no connection to whoever reads. */
  replayConnectionsPerProjection: 2,
  /** Streams whose last commit a projection remembers, to notice that one is missing: about 150 bytes each. */
  chainCheckStreamsMax: 100_000,
  /** How often the database is asked where a projection stands while somebody waits for it; less often if it runs in this process and tells. */
  caughtUpPollMs: 3,
  caughtUpHintedPollMs: 50,
  /** One that does not move is asked again after this part of the time that it has stood still: so many polls more than were needed, and no storm of them. */
  caughtUpQuietShare: 16,
  /** Connections of one process to PostgreSQL. */
  databasePoolSize: 10,
  databaseConnectTimeoutMs: 5_000,
  /** The longest that one statement may take: building an index anew over a very large table is the slowest. */
  databaseStatementTimeoutMs: 120_000,
  /** The longest wait for a lock: beyond it the work is given up and tried again. */
  databaseLockTimeoutMs: 10_000,
  /** A transaction whose holder stands still this long is ended by the server. */
  databaseIdleInTransactionMs: 10_000,
  /** How long each way of stopping the embedded PostgreSQL (fast, immediate, by force) gets before the next one. */
  postgresStopMs: 10_000,
  /** The embedded PostgreSQL accepts connections within this time, also when it has to recover first. */
  postgresStartMs: 60_000,
  /** Pause before a server that died again, soon after its start, is started once more, doubled with each death: on a full disk it dies each time. */
  postgresRestartPauseMs: 1_000,
  postgresRestartPauseMaxMs: 30_000,
  /** A server that lived as long was well: its death is the first of a row. */
  postgresWellAfterMs: 10_000,
  /** Characters kept of what PostgreSQL says on standard error. */
  postgresOutputCharsMax: 4_096,

  // ---- gateway
  /** Entries of a page, and how many when the client does not say. */
  pageSizeMax: 100,
  pageSizeDefault: 20,
  /** How long a query with `atLeast` waits for the read models. */
  caughtUpTimeoutMs: 5_000,
  /** Depth of a GraphQL document: `homeTimeline { edges { node { author { posts { edges { node { text` fits. */
  queryDepthMax: 12,
  /** Fields times the size of the pages they stand in; a connection counts as many fields, since each page of it is a statement to the database. */
  queryComplexityMax: 20_000,
  connectionComplexity: 50,
  /** A look at the whole schema, 50 KB as tools ask for it: some of them fit into a request, not thirty. */
  introspectionComplexity: 5_000,
  queryAliasesMax: 30,
  /** Tokens of a document: six times those of a full introspection. Validation compares the fields of a selection in pairs, so that its time grows with the square. */
  queryTokensMax: 1_000,
  queryBytesMax: 32 * 1024,
  /** Bytes of an HTTP body, and of a WebSocket message: a post of 500 graphemes and a large document fit. */
  bodyBytesMax: 128 * 1024,
  /** Operations of one batched request. */
  batchSizeMax: 10,
  /** Documents remembered as parsed and checked: a client has few; whoever sends ever new ones must not fill the memory. */
  documentsRememberedMax: 128,
  /** Times a document is executed before it is compiled: that costs some milliseconds, and halves the time of each execution after. */
  documentsCompiledAfter: 2,
  /** Fields of a document that is compiled, fragments written out: each costs some 0.1 ms of compiling, in which nothing else happens. */
  documentsCompiledFieldsMax: 200,
  /** What a client is told to wait after OVERLOADED, when nothing better is known. */
  retryAfterUnavailableMs: 1_000,
  /** How long requests that run may take to finish when the gateway closes. */
  drainMs: 10_000,
  /** How often a closing gateway looks for connections that rest by now. */
  drainLookMs: 20,
  /** Connections of one gateway, WebSockets among them: beyond it new ones are closed at once, before they cost more memory. */
  connectionsMax: 30_000,
  /** Open files that connections leave alone, where the system allows fewer: for the log, PostgreSQL, NATS and new ones of each. */
  filesReserved: 512,
  /** How long an HTTP client may take to send the headers of a request, and all of it, how often that is looked at, and how long a keep-alive connection may rest. */
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  connectionsCheckMs: 2_000,
  keepAliveTimeoutMs: 72_000,
  /** How long nothing may move on an HTTP connection: whoever does not read an answer would keep it in memory for ever. Longer than a request should ever take. */
  connectionSilentMs: 120_000,
  /** How long a session lasts. */
  sessionMs: 30 * 24 * 3_600_000,
  /** Sessions remembered as good by one gateway, and how long at most after its last news of log-outs. */
  sessionsRememberedMax: 50_000,
  sessionNewsAgeMaxMs: 900,
  /** How long good sessions are remembered after the last request that used any. */
  sessionsRememberedMs: 60_000,
  /** A gateway whose own beats stay out this long listens anew. */
  sessionFeedTimeoutMs: 5_000,
  /** How often a gateway asks for news while it remembers sessions; fits three times into the age above. */
  sessionHeartbeatMs: 250,
  /** How often sessions and attempts that are over are deleted. */
  sessionCleanUpMs: 10 * 60_000,
  /** Passwords hashed at the same time by one gateway (each takes 19 MiB and a core), and how many may wait for that. */
  passwordHashesConcurrent: 2,
  passwordHashesWaitingMax: 128,
  /** Failed log-ins within the window: of one address at one handle; of all addresses at one handle, so that it takes many to lock somebody out; of one address. */
  logInWindowMs: 15 * 60_000,
  logInAttemptsPerHandleMax: 10,
  logInAttemptsPerHandleAnywhereMax: 100,
  logInAttemptsPerAddressMax: 100,
  /** Accounts opened from one address within the same window: a school behind one address fits, a flood does not. */
  registrationsPerAddressMax: 1_000,
  /** How long a log-in waits for the read model before it looks for the user. */
  logInCaughtUpTimeoutMs: 1_000,
  /** Entries that a resuming subscription may have missed: beyond it, CURSOR_TOO_OLD. */
  resumeEntriesMax: 1_000,
  /** Bytes that may wait for one WebSocket before its client is too slow. */
  subscriberBufferBytesMax: 1024 * 1024,
  /** Entries that may wait for one subscriber before its client is too slow: while it does not read, and while we read the fields that it asks for. */
  subscriberBufferEntriesMax: 1_000,
  subscriberExecutionsWaitingMax: 10_000,
  /** Hand-overs that read the database at the same time: a thousand clients that resume must leave connections to everybody else. */
  handOversMax: 8,
  /** Events that are kept for hand-overs under way: one that would need more begins again. */
  handOverEventsMax: 50_000,
  /** Entries of the newest state that resuming clients share, so that a thousand of them do not cost a thousand executions each. */
  handOverEntriesSharedMax: 10_000,
  /** How long the live feed delivers before it lets others have a turn. */
  liveFeedSliceMs: 10,
  /** Waits after a failure of the log or the database: from the first to the longest. */
  liveFeedBackOffMs: 50,
  liveFeedBackOffMaxMs: 2_000,
  /** Window of the live throughput. */
  throughputEveryMsMin: 100,
  throughputEveryMsMax: 60_000,
  /** Subscriptions of one WebSocket, and connections of one gateway. */
  subscriptionsPerSocketMax: 50,
  socketsMax: 20_000,
  /** Fragments of one message of a WebSocket, and pieces in which one of them comes: each takes some 250 bytes until the message is whole, however short it is. */
  messagePartsMax: 1_024,
  /** Bytes of a message that subscribes: it stays in memory for as long as the subscription, and fifty of them for each WebSocket. */
  subscribeBytesMax: 16 * 1024,
  /** Tokens of a document that subscribes, which stays in memory in the form that is executed: some 260 bytes for each of them. */
  subscribeTokensMax: 250,
  /** A WebSocket that has not introduced itself, or does not answer a ping, within this time is closed. */
  connectionInitMs: 5_000,
  socketPingMs: 15_000,
  /** How long a closing WebSocket may take to say goodbye. */
  socketCloseMs: 2_000,

  // ---- the process
  /** Commits that a read model may be behind while the node still counts as ready: a blink at full load. */
  readyLagCommitsMax: 5_000,

  // ---- command line
  /** Bytes of a request over the control socket, how long it may take to come, and how many connections at once: a few commands of the operator. */
  controlRequestBytesMax: 64 * 1024,
  controlRequestTimeoutMs: 10_000,
  controlConnectionsMax: 16,
  /** How long `status` watches to see a rate. */
  statusSampleMs: 250,
  /** How long `status` waits for the node that it asks: longer than that takes to notice that its log or database is away. */
  statusSilentMs: 30_000,
  /** How often a job says how far it is where no bar can move. */
  progressLineEveryMs: 5_000,
  /** Commands of an import on their way at once: its default, and the most that help; an actor holds `mailboxSizeMax`. */
  importInFlightDefault: 64,
  importInFlightMax: 1_024,
  /** Lines that an import reads ahead, to find users who are not busy: of posts a few megabytes, and 128 at the most. */
  importAheadMax: 16_384,
  /** Users and posts of one import: what the memory of one process holds, and a Map of JavaScript, which ends at 16 million; more goes in several files. */
  importUsersMax: 5_000_000,
  importPostsMax: 10_000_000,
  /** Bytes of a line of an import file: beyond it the file is not what it should be. */
  importLineBytesMax: 1024 * 1024,
  /** How often an import repeats a command that the system was too busy for, and the pause before it: a minute in all. */
  importTriesMax: 20,
  importRetryMs: 3_000,
  /** Rows that `verify` reads with one statement. */
  verifyRowsPerStatement: 5_000,
  /** Users whose home timelines `verify` walks unless told otherwise, and how many entries of each: whoever follows the famous has tens of thousands. */
  verifyUsersDefault: 500,
  verifyEntriesPerUserMax: 1_000,
  /** Examples of each fault that `verify` shows: more would only scroll the first ones away. */
  verifyExamplesMax: 5,
  /** Records of one file of answers or pushes: some 300 bytes of memory each. */
  verifyRecordsMax: 5_000_000,
  /** Sessions that a backup reads, or a restore writes, with one statement. */
  sessionsPerStatementMax: 5_000,
  /** What the people of the demo do at first, then how often somebody does something, and when they have done enough for one run: half a day. */
  demoFollows: 220,
  demoPosts: 320,
  demoActEveryMs: 2_000,
  demoActsMax: 20_000,
  /** How long a stop may take before it is forced. */
  stopTimeoutMs: 20_000,
  /** `starling cluster`: pause before a process that ended is started again (its shards move in less than 3 s, which shall be seen), and how long one may take to stop. */
  clusterRestartPauseMs: 6_000,
  clusterStopTimeoutMs: 25_000,
  /** Actor nodes, gateways and projection nodes of `starling cluster`, each: one machine has so many cores. */
  clusterNodesMax: 16,
  /** How long the balancer waits for a gateway to take a connection before it tries the next. */
  balancerConnectTimeoutMs: 1_000,
  /** How long the balancer keeps what a gateway said last for a client that takes none of it. */
  balancerLingerMs: 10_000,
  /**
   * How often a cluster looks whether its NATS servers have found each other, and how long one that runs may be unheard by the one that leads: one that is left
   * out twice is started again. They speak once a second. Where all are there and nobody leads so many times in a row, all are.
   */
  clusterFormationPollMs: 4_000,
  clusterUnheardMs: 10_000,
  clusterLeaderlessPolls: 5,
  /** How often the start of a cluster asks its gateways whether they are ready. */
  clusterReadyPollMs: 100,
  /** Pause between looks whether a process that was killed is gone. */
  orphanPollMs: 20,
  /** A second signal to stop that comes this soon is the same one: npm passes on what the terminal has sent to everybody. */
  secondSignalAfterMs: 1_000,
} as const;
