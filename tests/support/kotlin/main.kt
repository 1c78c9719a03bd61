/** Feeds clips to a written program: each a line of stdin, its points and then its numbers. */
fun main() {
    for (line in generateSequence(::readlnOrNull)) {
        val numbers = line.split(" ").map(String::toFloat)
        val frame = 2 * numbers[0].toInt()
        val clip = numbers.drop(1).chunked(frame).map { one -> one.chunked(2).map { it.toFloatArray() }.toTypedArray() }
        Recognizer(java.io.File("model.tflite")).use { it.recognize(clip) }
    }
}
