import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node for the tests: Node FOLDER PORT. It ends with the process that started it. */
public final class Node {
    public static void main(String[] arguments) throws Exception {
        ProcessHandle parent = ProcessHandle.current().parent().orElseThrow();
        String folder = arguments[0];
        String port = arguments[1];
        OpenSearchRunner runner = new OpenSearchRunner();
        // The runner looks for a port of its own small range; the test has chosen one.
        runner.setMaxHttpPort(65535);
        runner.onBuild((number, settings) -> {
            settings.put("http.port", port);
            // Alone, whatever other nodes run on this machine: those of another run of the tests would else join.
            settings.put("discovery.type", "single-node");
            settings.put("transport.port", "0");
            settings.put("http.max_content_length", "2mb");
            settings.putList("node.roles", "cluster_manager", "data", "ingest");
            // The tests' disk may be nearly full; what they store is small.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
        });
        runner.build(
            OpenSearchRunner.newConfigs()
                .basePath(folder)
                .clusterName("spanwise-tests-" + port)
                .numOfNode(1)
                .baseHttpPort(Integer.parseInt(port) - 1));
        while (parent.isAlive()) {
            Thread.sleep(500);
        }
        System.exit(0);
    }

    private Node() {}
}
